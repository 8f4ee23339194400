/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TORII_SMP_H
#define TORII_SMP_H

/* Control registers as Torii wants them on every CPU: write protection, NX, SMEP and SMAP, SSE and XSAVE enabled. */
void cpu_features_init(void);
/* Start every processor the MADT lists; each waits until smp_release. */
void smp_start(void);
/* All processors enter their scheduler. */
void smp_release(void);

#endif
