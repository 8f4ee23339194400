/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/* platform_op and physdev_op. */
#include "xen_test.h"

#include <xen/physdev.h>
#include <xen/platform.h>

#define PF  __HYPERVISOR_platform_op
#define DEV __HYPERVISOR_physdev_op

#define XENPF_get_dom0_console 64

static struct xen_platform_op op;

static long platform(u32 cmd)
{
    op.cmd = cmd;
    op.interface_version = XENPF_INTERFACE_VERSION;
    return world_op(PF, &op, sizeof(op));
}

static void platform_op_is_versioned_and_privileged(void **state)
{
    (void)state;
    memset(&op, 0, sizeof(op));
    op.cmd = XENPF_get_cpuinfo;
    op.interface_version = 0x03000002;
    world_put(0, ARG, op);
    world_put(1, ARG, op);
    assert_int_equal(hc(PF, ARG, 0, 0), -XEN_EACCES);
    assert_int_equal(hc_domu(PF, ARG, 0, 0), -XEN_EPERM);
    assert_int_equal(hc(PF, NOWHERE, 0, 0), -XEN_EFAULT);
}

static void what_torii_leaves_to_others_is_enosys(void **state)
{
    static const u32 cmds[] = {XENPF_add_memtype,
                               XENPF_microcode_update,
                               XENPF_efi_runtime_call,
                               XENPF_change_freq,
                               XENPF_getidletime,
                               XENPF_mem_hotadd,
                               XENPF_resource_op,
                               XENPF_get_symbol,
                               65,
                               0,
                               UINT32_MAX};

    (void)state;
    memset(&op, 0, sizeof(op));
    for (unsigned i = 0; i < ARRAY_SIZE(cmds); i++)
        assert_int_equal(platform(cmds[i]), -XEN_ENOSYS);
}

static void settime_moves_the_wall_clock_of_the_domain(void **state)
{
    (void)state;
    memset(&op, 0, sizeof(op));
    op.u.settime64.secs = 1700000000;
    op.u.settime64.nsecs = 5;
    op.u.settime64.system_time = 2000000000;
    assert_int_equal(platform(XENPF_settime64), 0);
    assert_int_equal(world_rec.wall_utc, 1700000000ul * 1000000000 + 5);
    assert_int_equal(world_rec.wall_system, 2000000000);
    assert_int_equal(world_dom[0].shared_info->wc_sec, 1699999998);
    assert_int_equal(world_dom[0].shared_info->wc_nsec, 5);
    memset(&op, 0, sizeof(op));
    op.u.settime32.secs = 1600000000;
    op.u.settime32.system_time = 0;
    assert_int_equal(platform(XENPF_settime32), 0);
    assert_int_equal(world_dom[0].shared_info->wc_sec, 1600000000);
}

static void senseless_times_are_refused(void **state)
{
    (void)state;
    memset(&op, 0, sizeof(op));
    op.u.settime64.secs = 100;
    op.u.settime64.nsecs = 1000000000;
    assert_int_equal(platform(XENPF_settime64), -XEN_EINVAL);
    op.u.settime64.nsecs = 0;
    op.u.settime64.mbz = 1;
    assert_int_equal(platform(XENPF_settime64), -XEN_EINVAL);
    op.u.settime64.mbz = 0;
    op.u.settime64.secs = UINT64_MAX / 2;
    assert_int_equal(platform(XENPF_settime64), -XEN_EINVAL);
    op.u.settime64.secs = 1;
    op.u.settime64.system_time = 2000000000;
    assert_int_equal(platform(XENPF_settime64), -XEN_EINVAL);
    assert_int_equal(world_rec.wall_sets, 0);
}

static void cpuinfo_has_the_machines_ids_and_succeeds_for_any_index(void **state)
{
    (void)state;
    memset(&op, 0xff, sizeof(op));
    op.u.pcpu_info.xen_cpuid = 1;
    assert_int_equal(platform(XENPF_get_cpuinfo), 0);
    assert_int_equal(op.u.pcpu_info.max_present, 1);
    assert_int_equal(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_ONLINE);
    assert_int_equal(op.u.pcpu_info.apic_id, 4);
    assert_int_equal(op.u.pcpu_info.acpi_id, 11);
    op.u.pcpu_info.xen_cpuid = 1000;
    assert_int_equal(platform(XENPF_get_cpuinfo), 0);
    assert_int_equal(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_INVALID);
    assert_int_equal(op.u.pcpu_info.max_present, 1);
}

static void cpu_version_names_the_vendor_of_a_present_cpu(void **state)
{
    static const char none[12];

    (void)state;
    memset(&op, 0xff, sizeof(op));
    op.u.pcpu_version.xen_cpuid = 0;
    assert_int_equal(platform(XENPF_get_cpu_version), 0);
    assert_memory_not_equal(op.u.pcpu_version.vendor_id, none, 12);
    assert_in_range(op.u.pcpu_version.family, 4, 0x10e);
    assert_in_range(op.u.pcpu_version.stepping, 0, 15);
    op.u.pcpu_version.xen_cpuid = 2;
    assert_int_equal(platform(XENPF_get_cpu_version), 0);
    assert_memory_equal(op.u.pcpu_version.vendor_id, none, 12);
    assert_int_equal(op.u.pcpu_version.max_present, 1);
}

static void sleep_requests_reach_the_power_registers(void **state)
{
    (void)state;
    memset(&op, 0, sizeof(op));
    op.u.enter_acpi_sleep.val_a = 0x1c00;
    op.u.enter_acpi_sleep.val_b = 0x0400;
    op.u.enter_acpi_sleep.sleep_state = 5;
    assert_int_equal(platform(XENPF_enter_acpi_sleep), 0);
    assert_int_equal(world_rec.sleep.a, 0x1c00);
    assert_int_equal(world_rec.sleep.b, 0x0400);
    assert_int_equal(world_rec.sleep.state, 5);
    assert_false(world_rec.sleep.extended);
    op.u.enter_acpi_sleep.flags = XENPF_ACPI_SLEEP_EXTENDED;
    world_op_result = -XEN_EPERM;
    assert_int_equal(platform(XENPF_enter_acpi_sleep), -XEN_EPERM);
    assert_true(world_rec.sleep.extended);
    op.u.enter_acpi_sleep.flags = 2;
    assert_int_equal(platform(XENPF_enter_acpi_sleep), -XEN_EINVAL);
    op.u.enter_acpi_sleep.flags = 0;
    op.u.enter_acpi_sleep.sleep_state = 0x105;
    assert_int_equal(platform(XENPF_enter_acpi_sleep), -XEN_EINVAL);
    assert_int_equal(world_rec.sleep.calls, 2);
}

/* --- display --- */

static struct dom0_vga_console_info *console(void)
{
    return (struct dom0_vga_console_info *)&op.u;
}

static void a_machine_without_display_says_so(void **state)
{
    (void)state;
    memset(&op, 0, sizeof(op));
    assert_int_equal(platform(XENPF_get_dom0_console), -XEN_ENODEV);
}

static void text_mode_is_reported_with_its_own_length(void **state)
{
    (void)state;
    memset(&op, 0xff, sizeof(op));
    boot_info.text_mode = true;
    assert_int_equal(platform(XENPF_get_dom0_console), offsetof(struct dom0_vga_console_info, u) + 10);
    assert_int_equal(console()->video_type, XEN_VGATYPE_TEXT_MODE_3);
    assert_int_equal(console()->u.text_mode_3.rows, 25);
    assert_int_equal(console()->u.text_mode_3.columns, 80);
    assert_int_equal(console()->u.text_mode_3.cursor_x, 0);
}

static void a_framebuffer_above_4_gib_has_its_upper_half(void **state)
{
    (void)state;
    memset(&op, 0, sizeof(op));
    boot_info.efi = true;
    boot_info.fb = (struct boot_framebuffer){.present = true,
                                             .base = 0x1c0000000,
                                             .pitch = 4096,
                                             .width = 1000,
                                             .height = 769,
                                             .bpp = 32,
                                             .red_pos = 16,
                                             .red_size = 8};
    assert_int_equal(platform(XENPF_get_dom0_console), 40);
    assert_int_equal(console()->video_type, XEN_VGATYPE_EFI_LFB);
    assert_int_equal(console()->u.vesa_lfb.lfb_base, 0xc0000000);
    assert_int_equal(console()->u.vesa_lfb.ext_lfb_base, 1);
    assert_int_equal(console()->u.vesa_lfb.lfb_size, 49);
    assert_int_equal(console()->u.vesa_lfb.red_pos, 16);
    boot_info.efi = false;
    assert_int_equal(platform(XENPF_get_dom0_console), 40);
    assert_int_equal(console()->video_type, XEN_VGATYPE_VESA_LFB);
}

/* --- firmware --- */

static long firmware(u32 type, u32 index)
{
    op.u.firmware_info.type = type;
    op.u.firmware_info.index = index;
    return platform(XENPF_firmware_info);
}

static void without_efi_there_is_no_efi_information(void **state)
{
    (void)state;
    memset(&op, 0, sizeof(op));
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_CONFIG_TABLE), -XEN_ENOSYS);
    assert_int_equal(firmware(XEN_FW_DISK_INFO, 0), -XEN_ESRCH);
    assert_int_equal(firmware(XEN_FW_DISK_MBR_SIGNATURE, 0), -XEN_ESRCH);
    assert_int_equal(firmware(XEN_FW_KBD_SHIFT_FLAGS, 0), -XEN_ESRCH);
    assert_int_equal(firmware(XEN_FW_VBEDDC_INFO, 0), -XEN_ESRCH);
    assert_int_equal(firmware(77, 0), -XEN_EINVAL);
}

/* System table at 0x700000, vendor string behind it, runtime services, two memory descriptors. */
static void make_efi(void)
{
    u8 *st = world_ram + 0x700000, *map = world_ram + 0x703000;
    const u64 signature = 0x5453595320494249, vendor = 0x701000, rt = 0x702000, nr = 12, table = 0x7fee0000;
    const u32 revision = 2 << 16 | 70, size = 120, fw = 0x10000;
    const u16 name[] = {'E', 'D', 'K', 0};
    const u64 desc[2][6] = {{7, 0x0, 0, 16, 0xf}, {11, 0xfed00000, 0, 4, 0x8000000000000001}};

    memcpy(st, &signature, 8);
    memcpy(st + 8, &revision, 4);
    memcpy(st + 12, &size, 4);
    memcpy(st + 24, &vendor, 8);
    memcpy(st + 32, &fw, 4);
    memcpy(st + 88, &rt, 8);
    memcpy(st + 104, &nr, 8);
    memcpy(st + 112, &table, 8);
    memcpy(world_ram + vendor, name, sizeof(name));
    memcpy(world_ram + rt + 8, &revision, 4);
    memcpy(map, desc, sizeof(desc));
    boot_info.efi = true;
    boot_info.efi_system_table = 0x700000;
    boot_info.efi_memmap = 0x703000;
    boot_info.efi_memmap_size = sizeof(desc);
    boot_info.efi_desc_size = sizeof(desc[0]);
}

static void efi_tables_are_found_through_the_system_table(void **state)
{
    (void)state;
    memset(&op, 0, sizeof(op));
    make_efi();
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_CONFIG_TABLE), 0);
    assert_int_equal(op.u.firmware_info.u.efi_info.cfg.addr, 0x7fee0000);
    assert_int_equal(op.u.firmware_info.u.efi_info.cfg.nent, 12);
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_VERSION), 0);
    assert_int_equal(op.u.firmware_info.u.efi_info.version, 2 << 16 | 70);
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_RT_VERSION), 0);
    assert_int_equal(op.u.firmware_info.u.efi_info.version, 2 << 16 | 70);
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_PCI_ROM), -XEN_ESRCH);
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_APPLE_PROPERTIES), -XEN_ENODATA);
    assert_int_equal(firmware(XEN_FW_EFI_INFO, 99), -XEN_EINVAL);
}

static void the_vendor_string_is_cut_to_the_callers_buffer(void **state)
{
    (void)state;
    make_efi();
    memset(&op, 0, sizeof(op));
    memset(world_mem(0, BUF), 0x77, 16);
    op.u.firmware_info.u.efi_info.vendor.bufsz = 6;
    op.u.firmware_info.u.efi_info.vendor.name.p = (void *)BUF;
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_VENDOR), 0);
    assert_memory_equal(world_mem(0, BUF), "E\0D\0\0\0\x77", 7);
    assert_int_equal(op.u.firmware_info.u.efi_info.vendor.revision, 0x10000);
    op.u.firmware_info.u.efi_info.vendor.bufsz = 200;
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_VENDOR), 0);
    assert_memory_equal(world_mem(0, BUF), "E\0D\0K\0\0\0\x77", 9);
    op.u.firmware_info.u.efi_info.vendor.name.p = (void *)NOWHERE;
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_VENDOR), -XEN_EFAULT);
}

static void efi_memory_is_looked_up_by_address(void **state)
{
    (void)state;
    make_efi();
    memset(&op, 0, sizeof(op));
    op.u.firmware_info.u.efi_info.mem.addr = 0xfed01234;
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_MEM_INFO), 0);
    assert_int_equal(op.u.firmware_info.u.efi_info.mem.addr, 0xfed00000);
    assert_int_equal(op.u.firmware_info.u.efi_info.mem.size, 4 * PAGE_SIZE);
    assert_int_equal(op.u.firmware_info.u.efi_info.mem.type, 11);
    op.u.firmware_info.u.efi_info.mem.addr = 0xfed04000;
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_MEM_INFO), -XEN_ESRCH);
}

static void a_broken_system_table_is_not_believed(void **state)
{
    (void)state;
    make_efi();
    memset(&op, 0, sizeof(op));
    world_ram[0x700000] ^= 1;
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_CONFIG_TABLE), -XEN_ENODEV);
    boot_info.efi_system_table = 1ul << 50;
    assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_CONFIG_TABLE), -XEN_ENOMEM);
}

/* --- physdev_op --- */

static void device_reports_reach_vpci(void **state)
{
    struct physdev_pci_mmcfg_reserved m = {
        .address = 0xb0000000, .segment = 1, .start_bus = 2, .end_bus = 200, .flags = 1};
    struct physdev_pci_device dev = {.seg = 3, .bus = 4, .devfn = 5};
    struct physdev_manage_pci old = {.bus = 6, .devfn = 7};

    (void)state;
    world_put(0, ARG, m);
    assert_int_equal(hc(DEV, PHYSDEVOP_pci_mmcfg_reserved, ARG, 0), 0);
    assert_string_equal(world_rec.pci.op, "mmcfg");
    assert_int_equal(world_rec.pci.address, 0xb0000000);
    assert_int_equal(world_rec.pci.devfn, 200);
    world_put(0, ARG, dev);
    assert_int_equal(hc(DEV, PHYSDEVOP_pci_device_remove, ARG, 0), 0);
    assert_string_equal(world_rec.pci.op, "remove");
    assert_int_equal(world_rec.pci.seg, 3);
    assert_int_equal(hc(DEV, PHYSDEVOP_restore_msi_ext, ARG, 0), 0);
    assert_string_equal(world_rec.pci.op, "restore");
    assert_int_equal(world_rec.pci.devfn, 5);
    world_put(0, ARG, old);
    assert_int_equal(hc(DEV, PHYSDEVOP_manage_pci_add, ARG, 0), 0);
    assert_string_equal(world_rec.pci.op, "add");
    assert_int_equal(world_rec.pci.seg, 0);
    assert_int_equal(world_rec.pci.bus, 6);
    assert_int_equal(hc(DEV, PHYSDEVOP_restore_msi, ARG, 0), 0);
    assert_string_equal(world_rec.pci.op, "restore");
    assert_int_equal(hc(DEV, PHYSDEVOP_manage_pci_remove, ARG, 0), 0);
    assert_string_equal(world_rec.pci.op, "remove");
    world_op_result = -XEN_ENODEV;
    assert_int_equal(hc(DEV, PHYSDEVOP_restore_msi, ARG, 0), -XEN_ENODEV);
}

static void device_add_reads_only_its_fixed_part(void **state)
{
    struct physdev_pci_device_add add = {.seg = 1, .bus = 2, .devfn = 3};
    const u64 at = DOM0_PAGES * PAGE_SIZE - 12;

    (void)state;
    memcpy(world_mem(0, at), &add, offsetof(struct physdev_pci_device_add, optarr));
    assert_int_equal(hc(DEV, PHYSDEVOP_pci_device_add, at, 0), 0);
    assert_string_equal(world_rec.pci.op, "add");
    assert_int_equal(world_rec.pci.seg, 1);
    assert_int_equal(world_rec.pci.devfn, 3);
}

static void a_reset_and_an_old_style_add_check_their_flags(void **state)
{
    struct {
        struct physdev_pci_device dev;
        u32 flags;
    } reset = {{.bus = 9}, 3};
    struct physdev_manage_pci_ext ext = {.bus = 8, .is_virtfn = 1};

    (void)state;
    world_put(0, ARG, reset);
    assert_int_equal(hc(DEV, 32, ARG, 0), 0);
    assert_string_equal(world_rec.pci.op, "reset");
    assert_int_equal(world_rec.pci.bus, 9);
    reset.flags = 4;
    world_put(0, ARG, reset);
    assert_int_equal(hc(DEV, 32, ARG, 0), -XEN_EINVAL);
    world_put(0, ARG, ext);
    assert_int_equal(hc(DEV, PHYSDEVOP_manage_pci_add_ext, ARG, 0), 0);
    assert_int_equal(world_rec.pci.bus, 8);
    ext.is_extfn = 2;
    world_put(0, ARG, ext);
    assert_int_equal(hc(DEV, PHYSDEVOP_manage_pci_add_ext, ARG, 0), -XEN_EINVAL);
}

static void setup_gsi_accepts_gsis_that_exist(void **state)
{
    struct physdev_setup_gsi s = {.gsi = 23};

    (void)state;
    world_put(0, ARG, s);
    assert_int_equal(hc(DEV, PHYSDEVOP_setup_gsi, ARG, 0), 0);
    s.gsi = 24;
    world_put(0, ARG, s);
    assert_int_equal(hc(DEV, PHYSDEVOP_setup_gsi, ARG, 0), -XEN_EINVAL);
    s.gsi = -1;
    world_put(0, ARG, s);
    assert_int_equal(hc(DEV, PHYSDEVOP_setup_gsi, ARG, 0), -XEN_EINVAL);
}

static void the_debug_port_is_never_toriis(void **state)
{
    struct physdev_dbgp_op d = {.op = PHYSDEVOP_DBGP_RESET_PREPARE, .bus = PHYSDEVOP_DBGP_BUS_PCI};

    (void)state;
    world_put(0, ARG, d);
    assert_int_equal(hc(DEV, PHYSDEVOP_dbgp_op, ARG, 0), 0);
    d.op = 3;
    world_put(0, ARG, d);
    assert_int_equal(hc(DEV, PHYSDEVOP_dbgp_op, ARG, 0), -XEN_ENOSYS);
    d.op = PHYSDEVOP_DBGP_RESET_DONE;
    d.bus = 2;
    world_put(0, ARG, d);
    assert_int_equal(hc(DEV, PHYSDEVOP_dbgp_op, ARG, 0), -XEN_EINVAL);
}

static void there_are_no_pirqs(void **state)
{
    static const unsigned cmds[] = {
        PHYSDEVOP_eoi,           PHYSDEVOP_irq_status_query, PHYSDEVOP_map_pirq,         PHYSDEVOP_unmap_pirq,
        PHYSDEVOP_get_free_pirq, PHYSDEVOP_pirq_eoi_gmfn_v1, PHYSDEVOP_pirq_eoi_gmfn_v2, PHYSDEVOP_set_iopl,
        PHYSDEVOP_apic_read,     PHYSDEVOP_prepare_msix,     PHYSDEVOP_release_msix,     99};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cmds); i++)
        assert_int_equal(hc(DEV, cmds[i], ARG, 0), -XEN_ENOSYS);
    assert_null(world_rec.pci.op);
}

static void devices_are_the_control_domains_and_pointers_are_checked(void **state)
{
    static const unsigned cmds[] = {PHYSDEVOP_pci_mmcfg_reserved,
                                    PHYSDEVOP_pci_device_add,
                                    PHYSDEVOP_pci_device_remove,
                                    PHYSDEVOP_restore_msi_ext,
                                    PHYSDEVOP_restore_msi,
                                    PHYSDEVOP_manage_pci_add,
                                    PHYSDEVOP_manage_pci_add_ext,
                                    PHYSDEVOP_setup_gsi,
                                    PHYSDEVOP_dbgp_op,
                                    32};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cmds); i++) {
        assert_int_equal(hc_domu(DEV, cmds[i], ARG, 0), -XEN_EPERM);
        assert_int_equal(hc(DEV, cmds[i], NOWHERE, 0), -XEN_EFAULT);
    }
    assert_null(world_rec.pci.op);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(platform_op_is_versioned_and_privileged),
        T(what_torii_leaves_to_others_is_enosys),
        T(settime_moves_the_wall_clock_of_the_domain),
        T(senseless_times_are_refused),
        T(cpuinfo_has_the_machines_ids_and_succeeds_for_any_index),
        T(cpu_version_names_the_vendor_of_a_present_cpu),
        T(sleep_requests_reach_the_power_registers),
        T(a_machine_without_display_says_so),
        T(text_mode_is_reported_with_its_own_length),
        T(a_framebuffer_above_4_gib_has_its_upper_half),
        T(without_efi_there_is_no_efi_information),
        T(efi_tables_are_found_through_the_system_table),
        T(the_vendor_string_is_cut_to_the_callers_buffer),
        T(efi_memory_is_looked_up_by_address),
        T(a_broken_system_table_is_not_believed),
        T(device_reports_reach_vpci),
        T(device_add_reads_only_its_fixed_part),
        T(a_reset_and_an_old_style_add_check_their_flags),
        T(setup_gsi_accepts_gsis_that_exist),
        T(the_debug_port_is_never_toriis),
        T(there_are_no_pirqs),
        T(devices_are_the_control_domains_and_pointers_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
