/* SPDX-License-Identifier: BSD-2-Clause
 * iasl's reading of xsdt.dat.
 */

[000h 0000   4]                    Signature : "XSDT"    [Extended System Description Table]
[004h 0004   4]                 Table Length : 00000044
[008h 0008   1]                     Revision : 01
[009h 0009   1]                     Checksum : B6
[00Ah 0010   6]                       Oem ID : "TORII "
[010h 0016   8]                 Oem Table ID : "TORIIDM0"
[018h 0024   4]                 Oem Revision : 00000001
[01Ch 0028   4]              Asl Compiler ID : "TORI"
[020h 0032   4]        Asl Compiler Revision : 00000001

[024h 0036   8]       ACPI Table Address   0 : 0000000007F00030
[02Ch 0044   8]       ACPI Table Address   1 : 0000000007F00160
[034h 0052   8]       ACPI Table Address   2 : 0000000007F00270
[03Ch 0060   8]       ACPI Table Address   3 : 0000000007F004B0

Raw Table Data: Length 68 (0x44)

    0000: 58 53 44 54 44 00 00 00 01 B6 54 4F 52 49 49 20  // XSDTD.....TORII 
    0010: 54 4F 52 49 49 44 4D 30 01 00 00 00 54 4F 52 49  // TORIIDM0....TORI
    0020: 01 00 00 00 30 00 F0 07 00 00 00 00 60 01 F0 07  // ....0.......`...
    0030: 00 00 00 00 70 02 F0 07 00 00 00 00 B0 04 F0 07  // ....p...........
    0040: 00 00 00 00                                      // ....
