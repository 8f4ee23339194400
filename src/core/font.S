/* SPDX-License-Identifier: BSD-2-Clause */
/* The console font, a PSF 1 file that tools/fetch-font.sh took from Debian; its path is the build's FONT_FILE. */
    .section .rodata
    .globl font_psf, font_psf_end
    .align 16
font_psf:
    .incbin FONT_FILE
font_psf_end:
    .section .note.GNU-stack, "", @progbits
