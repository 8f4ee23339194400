/* SPDX-License-Identifier: BSD-2-Clause */
/* The CMOS real-time clock (MC146818). Torii reads it once at boot; afterwards it is Dom0's. */
#ifndef TORII_RTC_H
#define TORII_RTC_H

#include <torii/types.h>

/* Registers as read. */
struct rtc_registers {
    u8 seconds, minutes, hours, day, month, year;
    u8 century;  /* 0 when has_century is false */
    u8 status_b; /* format: binary or BCD, 12 or 24 hours */
    bool has_century;
};

/* Seconds since 1970 UTC. -XEN_EINVAL: no date. Pure. */
int rtc_to_utc(const struct rtc_registers *r, u64 *utc);

/* Seconds since 1970 by the clock; -XEN_ENODEV (no clock), -XEN_EINVAL (no date), -XEN_EAGAIN (it never holds still).
 * Boot only. */
int rtc_read(u64 *utc);

#endif
