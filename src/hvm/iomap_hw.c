/* SPDX-License-Identifier: BSD-2-Clause */
/* The ready-made handlers that touch the hardware. */
#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/iomap.h>

static u32 port_read(u16 port, unsigned bytes)
{
    u32 val = ~0u;

    if (bytes == 1)
        __asm__ volatile("inb %w1, %b0" : "+a"(val) : "Nd"(port));
    else if (bytes == 2)
        __asm__ volatile("inw %w1, %w0" : "+a"(val) : "Nd"(port));
    else
        __asm__ volatile("inl %w1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static void port_write(u16 port, unsigned bytes, u32 val)
{
    if (bytes == 1)
        __asm__ volatile("outb %b0, %w1" : : "a"(val), "Nd"(port));
    else if (bytes == 2)
        __asm__ volatile("outw %w0, %w1" : : "a"(val), "Nd"(port));
    else
        __asm__ volatile("outl %0, %w1" : : "a"(val), "Nd"(port));
}

void pio_hardware(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (write)
        port_write(port, bytes, *val);
    else
        *val = port_read(port, bytes);
}

int msr_read_hardware(struct vcpu *v, u32 msr, u64 *val)
{
    return rdmsr_safe(msr, val) ? 0 : -XEN_EINVAL;
}

/* Where the guest's address says, aligned or not. */
typedef u16 __attribute__((aligned(1))) any_u16;
typedef u32 __attribute__((aligned(1))) any_u32;
typedef u64 __attribute__((aligned(1))) any_u64;

/* One bus access of the guest's size where there is one; the register may have side effects at any other size. */
static u64 device_read(const volatile void *p, unsigned bytes)
{
    u64 val = 0;
    unsigned i;

    switch (bytes) {
    case 1:
        return *(const volatile u8 *)p;
    case 2:
        return *(const volatile any_u16 *)p;
    case 4:
        return *(const volatile any_u32 *)p;
    case 8:
        return *(const volatile any_u64 *)p;
    }
    for (i = 0; i < bytes; i++)
        val |= (u64)((const volatile u8 *)p)[i] << 8 * i;
    return val;
}

static void device_write(volatile void *p, unsigned bytes, u64 val)
{
    unsigned i;

    switch (bytes) {
    case 1:
        *(volatile u8 *)p = val;
        return;
    case 2:
        *(volatile any_u16 *)p = val;
        return;
    case 4:
        *(volatile any_u32 *)p = val;
        return;
    case 8:
        *(volatile any_u64 *)p = val;
        return;
    }
    for (i = 0; i < bytes; i++)
        ((volatile u8 *)p)[i] = val >> 8 * i;
}

void mmio_hardware(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    volatile void *p = (gpa & (PAGE_SIZE - 1)) + bytes <= PAGE_SIZE ? machine_window(gpa) : NULL;

    if (!p) {
        if (!write)
            *val = ~0ull;
        return;
    }
    if (write)
        device_write(p, bytes, *val);
    else
        *val = device_read(p, bytes);
}
