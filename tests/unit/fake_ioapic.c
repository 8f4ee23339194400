/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers in ucontext_t. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <torii/alloc.h>

#include "fake_ioapic.h"

#define SELECT  0x00
#define WINDOW  0x10
#define VERSION 0x01

#define RTE_REMOTE_IRR BIT(14)
#define RTE_LEVEL      BIT(15)
#define RTE_MASKED     BIT(16)

#define EFLAGS_TF      BIT(8)
#define PF_ERROR_WRITE BIT(1)

struct fake_ioapic fake_ioapics[FAKE_IOAPICS];
struct fake_message fake_messages[64];
unsigned fake_nr_messages;

static u8 *pages[FAKE_IOAPICS];
/* The access that is being stepped over. */
static unsigned stepped_ioapic, stepped_offset;
static bool stepped_write;

static void send(struct fake_ioapic *io, unsigned pin)
{
    u64 rte = io->rte[pin];

    if (fake_nr_messages == ARRAY_SIZE(fake_messages))
        abort();
    fake_messages[fake_nr_messages++] = (struct fake_message){(u8)rte, (u8)(rte >> 56)};
    if (rte & RTE_LEVEL)
        io->rte[pin] |= RTE_REMOTE_IRR;
}

static void sample_level(struct fake_ioapic *io, unsigned pin)
{
    if ((io->rte[pin] & (RTE_LEVEL | RTE_REMOTE_IRR | RTE_MASKED)) == RTE_LEVEL && io->line[pin])
        send(io, pin);
}

void fake_line(unsigned n, unsigned pin, bool asserted)
{
    struct fake_ioapic *io = &fake_ioapics[n];
    bool edge = asserted && !io->line[pin];

    io->line[pin] = asserted;
    if (edge && !(io->rte[pin] & (RTE_LEVEL | RTE_MASKED)))
        send(io, pin);
    sample_level(io, pin);
}

void fake_ioapic_eoi(u8 vector)
{
    for (unsigned n = 0; n < FAKE_IOAPICS; n++)
        for (unsigned pin = 0; pin < FAKE_PINS; pin++) {
            u64 *rte = &fake_ioapics[n].rte[pin];

            if ((u8)*rte == vector && *rte & RTE_LEVEL) {
                *rte &= ~RTE_REMOTE_IRR;
                sample_level(&fake_ioapics[n], pin);
            }
        }
}

static u32 window_read(const struct fake_ioapic *io)
{
    unsigned pin = (io->select - 0x10) / 2;

    if (io->dead)
        return ~0u;
    if (io->select == 0)
        return io->id;
    if (io->select == VERSION)
        return 0x11 | (FAKE_PINS - 1) << 16;
    if (io->select < 0x10 || pin >= FAKE_PINS)
        return 0;
    return (u32)(io->rte[pin] >> (io->select & 1 ? 32 : 0));
}

/* Remote IRR is read-only, and forgotten by an entry that becomes edge-triggered. */
static void window_write(struct fake_ioapic *io, u32 val)
{
    unsigned pin = (io->select - 0x10) / 2;
    u64 *rte;

    if (io->select == 0)
        io->id = val;
    if (io->dead || io->select < 0x10 || pin >= FAKE_PINS)
        return;
    rte = &io->rte[pin];
    if (io->select & 1) {
        *rte = (*rte & 0xffffffff) | (u64)val << 32;
        return;
    }
    val = (val & ~(u32)RTE_REMOTE_IRR) | (val & RTE_LEVEL ? *rte & RTE_REMOTE_IRR : 0);
    *rte = (*rte & ~0xffffffffull) | val;
    sample_level(io, pin);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    u8 *at = info->si_addr;

    for (unsigned n = 0; n < FAKE_IOAPICS; n++) {
        if (!pages[n] || at < pages[n] || at >= pages[n] + PAGE_SIZE)
            continue;
        stepped_ioapic = n;
        stepped_offset = (unsigned)(at - pages[n]);
        stepped_write = uc->uc_mcontext.gregs[REG_ERR] & PF_ERROR_WRITE;
        mprotect(pages[n], PAGE_SIZE, PROT_READ | PROT_WRITE);
        if (!stepped_write)
            *(u32 *)at = stepped_offset == SELECT   ? fake_ioapics[n].select
                         : stepped_offset == WINDOW ? window_read(&fake_ioapics[n])
                                                    : ~0u;
        uc->uc_mcontext.gregs[REG_EFL] |= EFLAGS_TF;
        return;
    }
    fprintf(stderr, "access to %p\n", (void *)at);
    abort();
}

static void on_step(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct fake_ioapic *io = &fake_ioapics[stepped_ioapic];
    u32 val = *(u32 *)(pages[stepped_ioapic] + stepped_offset);

    uc->uc_mcontext.gregs[REG_EFL] &= ~EFLAGS_TF;
    mprotect(pages[stepped_ioapic], PAGE_SIZE, PROT_NONE);
    io->accesses++;
    if (stepped_write && stepped_offset == SELECT)
        io->select = val & 0xff;
    else if (stepped_write && stepped_offset == WINDOW)
        window_write(io, val);
}

void fake_ioapic_catch(void)
{
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGTRAP, &step, NULL);
}

void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    unsigned n = (unsigned)((pa - FAKE_IOAPIC_ADDRESS(0)) / PAGE_SIZE);

    if (pa < FAKE_IOAPIC_ADDRESS(0) || n >= FAKE_IOAPICS || !uncached || bytes != PAGE_SIZE)
        return NULL;
    if (!pages[n])
        pages[n] = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages[n];
}
