/* SPDX-License-Identifier: BSD-2-Clause
 * iasl's reading of stao.dat.
 */

[000h 0000   4]                    Signature : "STAO"    [Status Override table]
[004h 0004   4]                 Table Length : 00000039
[008h 0008   1]                     Revision : 01
[009h 0009   1]                     Checksum : 26
[00Ah 0010   6]                       Oem ID : "TORII "
[010h 0016   8]                 Oem Table ID : "TORIIDM0"
[018h 0024   4]                 Oem Revision : 00000001
[01Ch 0028   4]              Asl Compiler ID : "TORI"
[020h 0032   4]        Asl Compiler Revision : 00000001

[024h 0036   1]                  Ignore UART : 00
[025h 0037  10]                     Namepath : "\_PR.CPU0"
[02Fh 0047  10]                     Namepath : "\_SB.CPU1"

Raw Table Data: Length 57 (0x39)

    0000: 53 54 41 4F 39 00 00 00 01 26 54 4F 52 49 49 20  // STAO9....&TORII 
    0010: 54 4F 52 49 49 44 4D 30 01 00 00 00 54 4F 52 49  // TORIIDM0....TORI
    0020: 01 00 00 00 00 5C 5F 50 52 2E 43 50 55 30 00 5C  // .....\_PR.CPU0.\
    0030: 5F 53 42 2E 43 50 55 31 00                       // _SB.CPU1.
