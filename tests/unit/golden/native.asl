/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware of the golden tables: one Processor term, one processor device, a GPE, power management of the first. */
DefinitionBlock ("", "DSDT", 2, "GOLDEN", "MACHINE", 1)
{
    Scope (\_PR)
    {
        Processor (CPU0, 1, 0x410, 6)
        {
            Name (_PSS, Package () { Package () { 2000, 30000, 10, 10, 0, 0 } })
            Method (_CST, 0) { Return (Package () { 0 }) }
        }
    }
    Scope (\_SB)
    {
        Device (CPU1)
        {
            Name (_HID, "ACPI0007")
            Name (_UID, 2)
        }
        Device (BTTN) { Name (_HID, EisaId ("PNP0C0C")) }
    }
    Method (\_GPE._L02) { Notify (\_PR.CPU0, 0x80) }
    Name (\_S5, Package () { 5, 5, 0, 0 })
}
