/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files about vCPUs share. */
#ifndef TORII_XEN_VCPU_OP_H
#define TORII_XEN_VCPU_OP_H

#include <torii/domain.h>

/* Copy v's runstate to the area the guest registered. */
void runstate_publish(struct vcpu *v);
/* A consistent copy, with the time spent in the present state added. Any CPU. */
void runstate_read(const struct vcpu *v, struct vcpu_runstate_info *rs);

/* Timers of VCPUOP and set_timer_op: set them up, stop them. */
void vcpu_timers_init(struct vcpu *v);
void vcpu_timers_stop(struct vcpu *v);
/* VIRQ_TIMER at `deadline` (system time), at once if that has passed. v is the caller. */
void vcpu_singleshot(struct vcpu *v, u64 deadline);
/* 0, or -XEN_EINVAL if the period is shorter than the ABI allows. */
int vcpu_periodic(struct vcpu *v, u64 period_ns);
void vcpu_periodic_stop(struct vcpu *v);

#endif
