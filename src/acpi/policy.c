/* SPDX-License-Identifier: BSD-2-Clause */
/* Which native tables Dom0 sees, and why. What is not named here is withheld: nobody knows what it would promise. */
#include "build.h"

#include <torii/boot_info.h>
#include <torii/lib.h>
#include <torii/log.h>

static const struct {
    char signature[5];
    bool keep;
    const char *why;
} policy[] = {
    {"FACP", true, "fixed hardware, SCI, DSDT and FACS are the machine's own"},
    {"SSDT", true, "belongs to the native namespace"},
    {"PSDT", true, "belongs to the native namespace"},
    {"PRMT", true, "handlers that native AML calls"},
    {"SBST", true, "battery levels, Dom0 drives the battery"},
    {"MCFG", true, "ECAM is at the native address, its pages are virtualised"},
    {"SLIC", true, "licence data"},
    {"MSDM", true, "licence data"},
    {"WDAT", true, "Dom0 drives the hardware watchdog"},
    {"WDRT", true, "Dom0 drives the hardware watchdog"},
    {"WDDT", true, "Dom0 drives the hardware watchdog"},
    {"WSMT", true, "describes SMM, which is the machine's own"},
    {"FPDT", true, "boot performance records, plain memory"},
    {"S3PT", true, "boot performance records, plain memory"},
    {"PHAT", true, "firmware's health records, plain memory"},
    {"TCPA", true, "Dom0 drives the TPM"},
    {"TPM2", true, "Dom0 drives the TPM"},
    {"VFCT", true, "video BIOS image, Dom0 drives the display"},
    {"IBFT", true, "the iSCSI target Dom0 was booted from"},
    {"NHLT", true, "audio endpoints, Dom0 drives them"},
    {"CSRT", true, "controllers Dom0 drives"},
    {"SPMI", true, "Dom0 drives the management controller"},
    {"MCHI", true, "Dom0 drives the management controller"},
    {"SDEV", true, "which devices are secure, as native"},
    {"UEFI", true, "where SMM takes messages, as native"},
    {"OEM", true, "vendor's own, all that begin so"},

    {"APIC", false, "replaced: it lists Dom0's virtual CPUs"},
    {"STAO", false, "replaced: it names the native processor objects"},
    {"XENV", false, "another hypervisor's word to its guest"},
    {"DMAR", false, "Torii owns the IOMMUs"},
    {"IVRS", false, "Torii owns the IOMMUs"},
    {"VIOT", false, "Torii owns the IOMMUs"},
    {"HPET", false, "its messages would bypass Torii's vectors; reads as absent"},
    {"SRAT", false, "speaks of physical APIC ids; Dom0 has no NUMA"},
    {"SLIT", false, "distances between nodes Dom0 does not have"},
    {"HMAT", false, "speaks of nodes Dom0 does not have"},
    {"MSCT", false, "speaks of nodes Dom0 does not have"},
    {"PPTT", false, "physical processor and cache topology"},
    {"PCCT", false, "channels for the performance of physical processors"},
    {"PMTT", false, "memory topology is not Dom0's map"},
    {"CEDT", false, "CXL memory windows are not in Dom0's map"},
    {"NFIT", false, "persistent memory is not in Dom0's map"},
    {"BGRT", false, "its image lies in memory that has been given away as RAM"},
    {"HEST", false, "hardware errors go to Torii"},
    {"BERT", false, "hardware errors go to Torii"},
    {"ERST", false, "hardware errors go to Torii"},
    {"EINJ", false, "hardware errors go to Torii"},
    {"RASF", false, "memory scrubbing belongs to who owns the memory"},
    {"RAS2", false, "memory scrubbing belongs to who owns the memory"},
    {"SPCR", false, "the console UART may be Torii's"},
    {"DBGP", false, "the debug port may be Torii's"},
    {"DBG2", false, "the debug port may be Torii's"},
    {"WAET", false, "an emulator's word on how its timers behave, which Torii's do not share"},
    {"LPIT", false, "low-power idle belongs to who owns the CPUs"},
    {"CCEL", false, "the event log of a confidential guest, which Dom0 is not"},
    {"ASF!", false, "remote control of a machine Dom0 does not own"},
    {"BOOT", false, "tells firmware how the boot went; Torii booted"},
};

bool acpi_table_is_kept(const char signature[4], const char **why)
{
    for (unsigned i = 0; i < ARRAY_SIZE(policy); i++) {
        size_t n = strlen(policy[i].signature);

        if (strncmp(signature, policy[i].signature, n))
            continue;
        if (why)
            *why = policy[i].why;
        return policy[i].keep;
    }
    if (why)
        *why = "not known";
    return false;
}

/* Dom0 finds the table at its address only if that is not RAM, which may have been given to anyone. */
static bool lies_outside_ram(const struct acpi_table *t)
{
    const struct e820 *map = &boot_info.e820;

    for (unsigned i = 0; i < map->nr; i++) {
        const struct e820_entry *e = &map->entry[i];

        if ((e->type == E820_RAM || e->type == E820_UNUSABLE) && t->address < e->addr + e->size &&
            e->addr < t->address + t->length)
            return false;
    }
    return true;
}

bool acpi_policy_keeps(const struct acpi_table *t)
{
    const char *why;

    if (!acpi_table_is_kept(t->signature, &why)) {
        log_debug("acpi: %s is withheld from Dom0: %s\n", t->signature, why);
        return false;
    }
    if (!lies_outside_ram(t)) {
        log_warn("acpi: %s is withheld from Dom0: it lies in RAM at 0x%llx\n", t->signature,
                 (unsigned long long)t->address);
        return false;
    }
    return true;
}
