/* SPDX-License-Identifier: BSD-2-Clause
 * iasl's reading of ssdt.dat.
 */
DefinitionBlock ("", "SSDT", 2, "TORII ", "TORIIDM0", 0x00000001)
{
    External (_PR_.CPU0._CST, IntObj)
    External (_PR_.CPU0._PSS, IntObj)

    Scope (\_SB)
    {
        Device (TCPU)
        {
            Name (_HID, "ACPI0010" /* Processor Container Device */)  // _HID: Hardware ID
            Name (_UID, Zero)  // _UID: Unique ID
            OperationRegion (TREG, SystemMemory, 0x07F00260, 0x08)
            Field (TREG, ByteAcc, NoLock, Preserve)
            {
                S000,   8, 
                E000,   8, 
                S001,   8, 
                E001,   8, 
                S002,   8, 
                E002,   8, 
                S003,   8, 
                E003,   8
            }

            Device (C000)
            {
                Name (_HID, "ACPI0007" /* Processor Device */)  // _HID: Hardware ID
                Name (_UID, Zero)  // _UID: Unique ID
                Method (_STA, 0, NotSerialized)  // _STA: Status
                {
                    Return (S000) /* \_SB_.TCPU.S000 */
                }

                Name (_MAT, Buffer (0x08)  // _MAT: Multiple APIC Table Entry
                {
                     0x00, 0x08, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00   // ........
                })
                Method (_CST, 0, Serialized)  // _CST: C-States
                {
                    Return (\_PR.CPU0._CST) /* External reference */
                }

                Method (_PSS, 0, Serialized)  // _PSS: Performance Supported States
                {
                    Return (\_PR.CPU0._PSS) /* External reference */
                }
            }

            Device (C001)
            {
                Name (_HID, "ACPI0007" /* Processor Device */)  // _HID: Hardware ID
                Name (_UID, One)  // _UID: Unique ID
                Method (_STA, 0, NotSerialized)  // _STA: Status
                {
                    Return (S001) /* \_SB_.TCPU.S001 */
                }

                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    S001 = Zero
                }

                Name (_MAT, Buffer (0x08)  // _MAT: Multiple APIC Table Entry
                {
                     0x00, 0x08, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00   // ........
                })
            }

            Device (C002)
            {
                Name (_HID, "ACPI0007" /* Processor Device */)  // _HID: Hardware ID
                Name (_UID, 0x02)  // _UID: Unique ID
                Method (_STA, 0, NotSerialized)  // _STA: Status
                {
                    Return (S002) /* \_SB_.TCPU.S002 */
                }

                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    S002 = Zero
                }

                Name (_MAT, Buffer (0x08)  // _MAT: Multiple APIC Table Entry
                {
                     0x00, 0x08, 0x02, 0x02, 0x01, 0x00, 0x00, 0x00   // ........
                })
            }

            Device (C003)
            {
                Name (_HID, "ACPI0007" /* Processor Device */)  // _HID: Hardware ID
                Name (_UID, 0x03)  // _UID: Unique ID
                Method (_STA, 0, NotSerialized)  // _STA: Status
                {
                    Return (S003) /* \_SB_.TCPU.S003 */
                }

                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    S003 = Zero
                }

                Name (_MAT, Buffer (0x08)  // _MAT: Multiple APIC Table Entry
                {
                     0x00, 0x08, 0x03, 0x03, 0x01, 0x00, 0x00, 0x00   // ........
                })
            }

            Method (SCAN, 0, Serialized)
            {
                Local0 = E000 /* \_SB_.TCPU.E000 */
                If (Local0)
                {
                    E000 = Zero
                    Notify (C000, Local0)
                }

                Local0 = E001 /* \_SB_.TCPU.E001 */
                If (Local0)
                {
                    E001 = Zero
                    Notify (C001, Local0)
                }

                Local0 = E002 /* \_SB_.TCPU.E002 */
                If (Local0)
                {
                    E002 = Zero
                    Notify (C002, Local0)
                }

                Local0 = E003 /* \_SB_.TCPU.E003 */
                If (Local0)
                {
                    E003 = Zero
                    Notify (C003, Local0)
                }
            }
        }
    }

    Scope (\_GPE)
    {
        Method (_E3F, 0, NotSerialized)  // _Exx: Edge-Triggered GPE, xx=0x00-0xFF
        {
            \_SB.TCPU.SCAN ()
        }
    }
}

