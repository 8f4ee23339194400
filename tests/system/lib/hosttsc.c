/* SPDX-License-Identifier: BSD-2-Clause */
/* The TSC's rate against the clock QEMU's devices run by, in Hz: without -icount TCG shows guests the host's TSC. */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

/* The tightest of some readings of both clocks: a preemption in between must not count. */
static void sample(double *t, unsigned long long *tsc)
{
    double best = 1;

    for (int i = 0; i < 200; i++) {
        double before = now();
        unsigned long long c = __rdtsc();
        double after = now();

        if (after - before < best) {
            best = after - before;
            *t = (before + after) / 2;
            *tsc = c;
        }
    }
}

int main(void)
{
    double t0, t1;
    unsigned long long c0, c1;

    sample(&t0, &c0);
    nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
    sample(&t1, &c1);
    printf("%.0f\n", (c1 - c0) / (t1 - t0));
    return 0;
}
