/* SPDX-License-Identifier: BSD-2-Clause */
/* console_io: the control domain's share of the physical console. */
#include <torii/console.h>

#include "hcall.h"

#define CHUNK 128
/* Bytes per exit: a UART takes about 87 us each at 115200 baud, and interrupts are off meanwhile. */
#define PASS 256

/* Returns 0; preempted with count and buffer advanced. */
static long console_write(struct hcall *c)
{
    char chunk[CHUNK];
    u32 n;

    for (u32 done = 0; (u32)c->args[1]; done += n) {
        if (done >= PASS) {
            c->again = true;
            return 0;
        }
        n = min((u32)c->args[1], (u32)CHUNK);
        if (hcall_read(c, chunk, c->args[2], n))
            return -XEN_EFAULT;
        console_guest_write(chunk, n);
        c->args[1] = (u32)c->args[1] - n;
        c->args[2] += n;
    }
    return 0;
}

/* Returns the number of bytes; input is short, so one pass ends at whatever has been typed. */
static long console_read(const struct hcall *c)
{
    u32 count = (u32)c->args[1], done = 0;
    char chunk[CHUNK];
    size_t n;

    if (count > INT32_MAX)
        return -XEN_E2BIG;
    while (done < count) {
        n = console_guest_read(chunk, min(count - done, (u32)CHUNK));
        if (n == 0)
            break;
        if (hcall_write(c, c->args[2] + done, chunk, n))
            return -XEN_EFAULT;
        done += (u32)n;
    }
    return done;
}

long hypercall_console_io(struct hcall *c)
{
    if (!c->v->d->privileged)
        return -XEN_EPERM;
    switch ((u32)c->args[0]) {
    case CONSOLEIO_write:
        return console_write(c);
    case CONSOLEIO_read:
        return console_read(c);
    default:
        return -XEN_ENOSYS;
    }
}
