/* SPDX-License-Identifier: BSD-2-Clause */
/* CMOS real-time clock (Motorola MC146818A data sheet; the PC's index and data ports). */
#include <torii/rtc.h>

#include <torii/acpi.h>
#include <torii/atomic.h>
#include <torii/errno.h>
#include <torii/io.h>
#include <torii/lib.h>

#define RTC_INDEX_PORT 0x70
#define RTC_DATA_PORT  0x71

enum {
    RTC_SECONDS = 0,
    RTC_MINUTES = 2,
    RTC_HOURS = 4,
    RTC_DAY = 7,
    RTC_MONTH = 8,
    RTC_YEAR = 9,
    RTC_STATUS_A = 10,
    RTC_STATUS_B = 11,
    RTC_REGS = 128,
};
#define STATUS_A_UPDATING 0x80
#define STATUS_B_24H      0x02
#define STATUS_B_BINARY   0x04
#define HOURS_PM          0x80

#define CENTURY_FIRST 19
#define CENTURY_LAST  21
/* Without a century register two digits below this are of this century: the ABI's kernels are younger. */
#define PIVOT_YEAR 70

#define UPDATE_POLLS 20000 /* an update takes 2 ms at most */
#define READ_TRIES   8

static bool decode(u8 raw, bool binary, unsigned *value)
{
    if (binary) {
        *value = raw;
        return true;
    }
    *value = (raw >> 4) * 10 + (raw & 0x0f);
    return (raw >> 4) <= 9 && (raw & 0x0f) <= 9;
}

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100) || year % 400 == 0;
}

static unsigned days_in(unsigned month, unsigned year)
{
    static const u8 days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

static u64 days_since_1970(unsigned year, unsigned month, unsigned day)
{
    u64 days = day - 1;

    for (unsigned y = 1970; y < year; y++)
        days += is_leap(y) ? 366 : 365;
    for (unsigned m = 1; m < month; m++)
        days += days_in(m, year);
    return days;
}

/* 12-hour clocks count 12, 1 .. 11 and mark the afternoon in bit 7. */
static bool decode_hours(const struct rtc_registers *r, unsigned *hours)
{
    bool binary = r->status_b & STATUS_B_BINARY, pm = r->hours & HOURS_PM;

    if (r->status_b & STATUS_B_24H)
        return decode(r->hours, binary, hours) && *hours < 24;
    if (!decode(r->hours & ~HOURS_PM, binary, hours) || !*hours || *hours > 12)
        return false;
    *hours = *hours % 12 + (pm ? 12 : 0);
    return true;
}

static bool decode_year(const struct rtc_registers *r, unsigned *year)
{
    bool binary = r->status_b & STATUS_B_BINARY;
    unsigned century;

    if (!decode(r->year, binary, year) || *year > 99)
        return false;
    /* Firmware keeps the century in BCD even beside a binary clock; both are told apart by their value. */
    if (r->has_century && decode(r->century, r->century >= CENTURY_FIRST && r->century <= CENTURY_LAST, &century) &&
        century >= CENTURY_FIRST && century <= CENTURY_LAST)
        *year += century * 100;
    else
        *year += *year < PIVOT_YEAR ? 2000 : 1900;
    return *year >= 1970;
}

int rtc_to_utc(const struct rtc_registers *r, u64 *utc)
{
    bool binary = r->status_b & STATUS_B_BINARY;
    unsigned year, month, day, hours, minutes, seconds;

    if (!decode_year(r, &year) || !decode(r->month, binary, &month) || !decode(r->day, binary, &day) ||
        !decode_hours(r, &hours) || !decode(r->minutes, binary, &minutes) || !decode(r->seconds, binary, &seconds))
        return -XEN_EINVAL;
    if (!month || month > 12 || !day || day > days_in(month, year) || minutes > 59 || seconds > 59)
        return -XEN_EINVAL;
    *utc = ((days_since_1970(year, month, day) * 24 + hours) * 60 + minutes) * 60 + seconds;
    return 0;
}

static u8 cmos_read(u8 reg)
{
    outb(RTC_INDEX_PORT, reg);
    return inb(RTC_DATA_PORT);
}

static bool wait_no_update(void)
{
    for (unsigned i = 0; i < UPDATE_POLLS; i++) {
        if (!(cmos_read(RTC_STATUS_A) & STATUS_A_UPDATING))
            return true;
        cpu_relax();
    }
    return false;
}

static void read_registers(struct rtc_registers *r)
{
    memset(r, 0, sizeof(*r));
    r->seconds = cmos_read(RTC_SECONDS);
    r->minutes = cmos_read(RTC_MINUTES);
    r->hours = cmos_read(RTC_HOURS);
    r->day = cmos_read(RTC_DAY);
    r->month = cmos_read(RTC_MONTH);
    r->year = cmos_read(RTC_YEAR);
    r->status_b = cmos_read(RTC_STATUS_B);
    if (acpi_info.rtc_century && acpi_info.rtc_century < RTC_REGS) {
        r->century = cmos_read(acpi_info.rtc_century);
        r->has_century = true;
    }
}

/* An update may begin between two reads: only two equal readings count. */
int rtc_read(u64 *utc)
{
    struct rtc_registers a, b;

    if (acpi_info.no_cmos_rtc)
        return -XEN_ENODEV;
    for (unsigned i = 0; i < READ_TRIES; i++) {
        if (!wait_no_update())
            return -XEN_ENODEV;
        read_registers(&a);
        read_registers(&b);
        if (!memcmp(&a, &b, sizeof(a)))
            return rtc_to_utc(&a, utc);
    }
    return -XEN_EAGAIN;
}
