/* SPDX-License-Identifier: BSD-2-Clause
 * iasl's reading of dsdt.dat.
 */
DefinitionBlock ("", "DSDT", 2, "FAKEFW", "", 0x00000000)
{
    Scope (_PR)
    {
        Device (CPU0)
        {
            Name (TORI, Zero)
            Name (_PSS, Package (0x01)  // _PSS: Performance Supported States
            {
                Package (0x06)
                {
                    0x07D0, 
                    0x7530, 
                    0x0A, 
                    0x0A, 
                    Zero, 
                    Zero
                }
            })
            Method (_CST, 0, NotSerialized)  // _CST: C-States
            {
                Return (Package (0x01)
                {
                    Zero
                })
            }
        }
    }

    Scope (_SB)
    {
        Device (CPU1)
        {
            Name (_HID, "TORI0007")  // _HID: Hardware ID
            Name (_UID, 0x02)  // _UID: Unique ID
        }

        Device (BTTN)
        {
            Name (_HID, EisaId ("PNP0C0C") /* Power Button Device */)  // _HID: Hardware ID
        }
    }

    Method (_GPE._L02, 0, NotSerialized)  // _Lxx: Level-Triggered GPE, xx=0x00-0xFF
    {
        Notify (\_PR.CPU0, 0x80) // Status Change
    }

    Name (_S5, Package (0x04)  // _S5_: S5 System State
    {
        0x05, 
        0x05, 
        Zero, 
        Zero
    })
}

