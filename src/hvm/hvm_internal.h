/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the vendors' implementations. */
#ifndef HVM_INTERNAL_H
#define HVM_INTERNAL_H

#include <torii/hvm.h>

extern const struct hvm_ops svm_ops;

/* Every byte of a PAT value is a memory type (APM vol. 2 §7.8.1). */
bool hvm_pat_is_valid(u64 pat);

#endif
