/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=4 */
/* ACPI tables as an OS finds them (ACPI 6.5 §5.2). */
#include "rt.h"

static void roots(void)
{
    const u8 *rsdp = (const u8 *)start_info->rsdp_paddr;
    const struct acpi_header *x;
    bool sums = true, lengths = true;
    unsigned n = 0;

    ok(rsdp && !memcmp(rsdp, "RSD PTR ", 8), "the RSDP has its signature");
    if (!rsdp)
        return;
    is(byte_sum(rsdp, 20), 0, "its first checksum is right");
    if (!on_xen) {
        skip("the RSDP is of revision 2", "firmware's own");
        return;
    }
    is(rsdp[15], 2, "the RSDP is of revision 2");
    is(byte_sum(rsdp, 36), 0, "its second checksum is right");
    x = (const void *)*(const u64 *)(rsdp + 24);
    ok(!memcmp(x->signature, "XSDT", 4), "it leads to an XSDT");
    is(byte_sum(x, x->length), 0, "whose checksum is right");
    ok((u64)x < BIT(32), "below 4 GiB");
    for (const u8 *p = (const u8 *)(x + 1); p < (const u8 *)x + x->length; p += 8, n++) {
        const struct acpi_header *t = (const void *)*(const u64 *)p;

        lengths &= t->length >= sizeof(*t) && t->length < 1 << 20;
        sums &= !byte_sum(t, t->length);
        note("%c%c%c%c revision %u, %u bytes", t->signature[0], t->signature[1], t->signature[2], t->signature[3],
             t->revision, t->length);
    }
    ok(n >= 2, "it lists tables");
    ok(lengths, "all of sane lengths");
    ok(sums, "all with right checksums");
}

static void madt(void)
{
    const u8 *m = (const u8 *)acpi_table("APIC"), *e;
    unsigned lapics = 0, apics = 0;
    bool uids = true, kinds = true;

    if (!ok(m, "there is a MADT"))
        return;
    is(*(const u32 *)(m + 36), LAPIC_BASE, "the local APIC is at 0xfee00000");
    if (on_xen)
        is(*(const u32 *)(m + 40) & 1, 0, "no PC-AT interrupt controllers");
    else
        skip("no PC-AT interrupt controllers", "it has them");
    for (e = m + 44; e < m + ((struct acpi_header *)m)->length && e[1]; e += e[1]) {
        u32 uid = e[0] == 0 ? e[2] : *(const u32 *)(e + 12);
        u32 flags = *(const u32 *)(e + (e[0] == 0 ? 4 : 8));

        apics += e[0] == 1;
        if (e[0] != 0 && e[0] != 9)
            continue;
        if (!(flags & 1))
            continue;
        kinds &= e[0] == 0 || e[0] == 9;
        uids &= uid == lapics++;
    }
    is(e - m, ((struct acpi_header *)m)->length, "its entries fill it");
    is(lapics, 4, "it has the machine's CPUs");
    ok(uids, "their uids are the vCPU ids");
    ok(apics >= 1, "it has an IO-APIC");
    for (unsigned i = 1; i < nr_cpus; i++)
        if (cpus[i].apic_id <= cpus[i - 1].apic_id)
            kinds = false;
    ok(kinds, "the APIC ids are distinct");
}

static void fadt(void)
{
    const u8 *f = (const u8 *)acpi_table("FACP");
    const struct acpi_header *dsdt;

    if (!ok(f, "there is a FADT"))
        return;
    dsdt = (const void *)(u64)*(const u32 *)(f + 40);
    ok(!memcmp(dsdt->signature, "DSDT", 4), "it leads to a DSDT");
    is(byte_sum(dsdt, dsdt->length), 0, "whose checksum is right");
    ok(!memcmp((const void *)(u64)*(const u32 *)(f + 36), "FACS", 4), "and to the FACS");
    ok(acpi_ports.pm1a_control && acpi_ports.pm1a_event, "PM1 blocks are there");
    ok(acpi_ports.sci, "the SCI too");
    is(inw(acpi_ports.pm1a_control) & 0x2000, 0, "PM1 control reads");
}

#define I440FX 0x12378086u /* device and vendor of 00:00.0 */

static void withheld(void)
{
    static const char *const names[] = {"HPET", "DMAR", "IVRS", "SRAT", "SLIT"};
    u32 host_bridge;

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        ok(!acpi_table(names[i]), "no %s: it is the hypervisor's", names[i]);
    outl(0xcf8, 0x80000000);
    host_bridge = inl(0xcfc);
    if (host_bridge == I440FX)
        skip("MCFG is there", "the host bridge is an i440FX, which has no ECAM");
    else
        ok(acpi_table("MCFG"), "MCFG is there");
}

static void pm_timer(void)
{
    u32 a = inl(acpi_ports.pm_timer), b;
    u64 tsc = rdtsc(), ticks;

    udelay(50000);
    b = inl(acpi_ports.pm_timer);
    tsc = rdtsc() - tsc;
    ticks = ((b - a) & 0xffffff) * 1000000ull / 3579545;
    ok(ticks > tsc * 95 / 100 * 1000 / tsc_khz - 200 && ticks < tsc * 105 / 100 * 1000 / tsc_khz + 20000,
       "the ACPI timer runs at 3.58 MHz");
}

void test(void)
{
    roots();
    madt();
    fadt();
    if (on_xen)
        withheld();
    pm_timer();
}
