/* SPDX-License-Identifier: BSD-2-Clause */
/* Power data that QEMU's processors lack: HLT and a port, which idles nothing here, and two P-states. */
DefinitionBlock ("", "SSDT", 2, "TORII", "POWER", 1)
{
    External (\_SB.CPUS.C000, DeviceObj)
    External (\_SB.CPUS.C001, DeviceObj)
    Scope (\_SB.CPUS.C000)
    {
        Name (_CST, Package () {
            2,
            Package () { ResourceTemplate () { Register (FFixedHW, 0, 0, 0) }, 1, 1, 1000 },
            Package () { ResourceTemplate () { Register (SystemIO, 8, 0, 0x0614, 1) }, 2, 20, 500 }
        })
        Name (_PCT, Package () {
            ResourceTemplate () { Register (FFixedHW, 0, 0, 0) },
            ResourceTemplate () { Register (FFixedHW, 0, 0, 0) }
        })
        Name (_PSS, Package () {
            Package () { 2000, 30000, 10, 10, 0, 0 },
            Package () { 1200, 15000, 10, 10, 1, 1 }
        })
        Name (_PPC, 0)
    }
    Scope (\_SB.CPUS.C001)
    {
        Method (_CST, 0) { Return (\_SB.CPUS.C000._CST) }
        Method (_PCT, 0) { Return (\_SB.CPUS.C000._PCT) }
        Method (_PSS, 0) { Return (\_SB.CPUS.C000._PSS) }
        Method (_PPC, 0) { Return (\_SB.CPUS.C000._PPC) }
    }
}
