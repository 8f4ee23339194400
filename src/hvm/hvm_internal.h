/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the vendors' implementations. */
#ifndef HVM_INTERNAL_H
#define HVM_INTERNAL_H

#include <torii/hvm.h>

extern const struct hvm_ops svm_ops, vmx_ops;

/* Every byte of a PAT value is a memory type (APM vol. 2 §7.8.1). */
bool hvm_pat_is_valid(u64 pat);
/* May a guest whose EFER is `old` write val? `mask`: the bits this processor has. */
bool hvm_efer_is_valid(u64 val, u64 old, u64 mask, u64 cr0);

#endif
