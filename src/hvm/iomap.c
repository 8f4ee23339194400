/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The three tables of iomap.h: sorted arrays searched by bisection.
 *
 * Ports and MSRs are registered before the domain runs and are constant afterwards, but for `pass` and the few late ports,
 * which are only ever appended. MMIO ranges change while the domain
 * runs, so their array has a sequence count: writers, serialised by the lock, make it odd while they move entries; a
 * lookup takes no lock, copies the entry it found and starts again if the count was odd or has changed. Torii runs with
 * interrupts disabled, so a writer is never preempted in the middle.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/lib.h>

#define PIO_RANGES_MAX  256
#define PIO_LATE_MAX    16
#define MSR_RANGES_MAX  512
#define MMIO_RANGES_MAX 1024

struct io_map {
    spinlock_t lock; /* writers of all three tables */
    u32 mmio_seq;
    unsigned nr_pio, nr_msr, nr_mmio, nr_late;
    struct pio_range late[PIO_LATE_MAX]; /* one port each */
    struct pio_range pio[PIO_RANGES_MAX];
    struct msr_range msr[MSR_RANGES_MAX];
    struct mmio_range mmio[MMIO_RANGES_MAX];
};

static unsigned io_map_order(void)
{
    unsigned order = 0;

    while ((PAGE_SIZE << order) < sizeof(struct io_map))
        order++;
    return order;
}

int io_map_init(struct domain *d)
{
    struct io_map *io = frames_alloc(io_map_order());

    if (!io)
        return -XEN_ENOMEM;
    spin_lock_init(&io->lock, LOCK_GUEST);
    d->io = io;
    return 0;
}

void io_map_free(struct domain *d)
{
    if (d->io)
        frames_free(d->io, io_map_order());
    d->io = NULL;
}

/*
 * Index of the first of nr ranges whose last >= key: the range that holds key, if its first <= key, or the place where
 * a range starting at key belongs. An unlocked reader may see entries move underneath: any index <= nr may come out
 * then.
 */
#define RANGE_INDEX(array, nr, key)                    \
    ({                                                 \
        unsigned lo_ = 0, hi_ = (nr);                  \
        while (lo_ < hi_) {                            \
            unsigned mid_ = (lo_ + hi_) / 2;           \
            if (READ_ONCE((array)[mid_].last) < (key)) \
                lo_ = mid_ + 1;                        \
            else                                       \
                hi_ = mid_;                            \
        }                                              \
        lo_;                                           \
    })

/* Where [first, last] goes in one of the sorted arrays: its index, or -errno. */
#define RANGE_SLOT(array, nr, capacity, lowest, highest)        \
    ({                                                          \
        unsigned at_ = RANGE_INDEX(array, nr, lowest);          \
        int slot_ = (int)at_;                                   \
        if ((lowest) > (highest))                               \
            slot_ = -XEN_EINVAL;                                \
        else if (at_ < (nr) && (array)[at_].first <= (highest)) \
            slot_ = -XEN_EEXIST;                                \
        else if ((nr) >= (capacity))                            \
            slot_ = -XEN_ENOSPC;                                \
        slot_;                                                  \
    })

int pio_register(struct domain *d, u16 first, u16 last, pio_fn *fn, void *ctx)
{
    struct io_map *io = d->io;
    int at;

    if (!fn)
        return -XEN_EINVAL;
    spin_lock(&io->lock);
    at = RANGE_SLOT(io->pio, io->nr_pio, PIO_RANGES_MAX, first, last);
    if (at >= 0) {
        memmove(&io->pio[at + 1], &io->pio[at], (io->nr_pio - at) * sizeof(io->pio[0]));
        io->pio[at] = (struct pio_range){first, last, fn, ctx, false};
        io->nr_pio++;
    }
    spin_unlock(&io->lock);
    return at < 0 ? at : 0;
}

int pio_add_late(struct domain *d, u16 port, pio_fn *fn, void *ctx)
{
    struct io_map *io = d->io;
    int rc = 0;

    spin_lock(&io->lock);
    if (pio_find(d, port)) {
        rc = -XEN_EEXIST;
    } else if (io->nr_late == PIO_LATE_MAX) {
        rc = -XEN_ENOSPC;
    } else {
        io->late[io->nr_late] = (struct pio_range){port, port, fn, ctx, false};
        atomic_store(&io->nr_late, io->nr_late + 1);
    }
    spin_unlock(&io->lock);
    return rc;
}

int msr_register(struct domain *d, u32 first, u32 last, msr_read_fn *read, msr_write_fn *write)
{
    struct io_map *io = d->io;
    int at;

    if (!read && !write)
        return -XEN_EINVAL;
    spin_lock(&io->lock);
    at = RANGE_SLOT(io->msr, io->nr_msr, MSR_RANGES_MAX, first, last);
    if (at >= 0) {
        memmove(&io->msr[at + 1], &io->msr[at], (io->nr_msr - at) * sizeof(io->msr[0]));
        io->msr[at] = (struct msr_range){first, last, read, write};
        io->nr_msr++;
    }
    spin_unlock(&io->lock);
    return at < 0 ? at : 0;
}

/* The entries are about to move / have moved. Sequentially consistent stores keep the moves between the two. */
static void mmio_write_begin(struct io_map *io)
{
    atomic_store(&io->mmio_seq, io->mmio_seq + 1);
}

static void mmio_write_end(struct io_map *io)
{
    atomic_store(&io->mmio_seq, io->mmio_seq + 1);
}

int mmio_register(struct domain *d, gpa_t first, gpa_t last, mmio_fn *fn, void *ctx)
{
    struct io_map *io = d->io;
    int at;

    if (!fn)
        return -XEN_EINVAL;
    spin_lock(&io->lock);
    at = RANGE_SLOT(io->mmio, io->nr_mmio, MMIO_RANGES_MAX, first, last);
    if (at >= 0) {
        mmio_write_begin(io);
        memmove(&io->mmio[at + 1], &io->mmio[at], (io->nr_mmio - at) * sizeof(io->mmio[0]));
        io->mmio[at] = (struct mmio_range){first, last, fn, ctx};
        WRITE_ONCE(io->nr_mmio, io->nr_mmio + 1);
        mmio_write_end(io);
    }
    spin_unlock(&io->lock);
    return at < 0 ? at : 0;
}

int mmio_unregister(struct domain *d, gpa_t first, gpa_t last)
{
    struct io_map *io = d->io;
    unsigned at;
    int rc = -XEN_ENOENT;

    spin_lock(&io->lock);
    at = RANGE_INDEX(io->mmio, io->nr_mmio, first);
    if (at < io->nr_mmio && io->mmio[at].first == first && io->mmio[at].last == last) {
        mmio_write_begin(io);
        memmove(&io->mmio[at], &io->mmio[at + 1], (io->nr_mmio - at - 1) * sizeof(io->mmio[0]));
        WRITE_ONCE(io->nr_mmio, io->nr_mmio - 1);
        mmio_write_end(io);
        rc = 0;
    }
    spin_unlock(&io->lock);
    return rc;
}

const struct pio_range *pio_find(const struct domain *d, u16 port)
{
    const struct io_map *io = d->io;
    unsigned at = RANGE_INDEX(io->pio, io->nr_pio, port), nr_late = atomic_load(&io->nr_late);

    if (at < io->nr_pio && io->pio[at].first <= port)
        return &io->pio[at];
    for (unsigned i = 0; i < nr_late; i++)
        if (io->late[i].first == port)
            return &io->late[i];
    return NULL;
}

const struct msr_range *msr_find(const struct domain *d, u32 msr)
{
    const struct io_map *io = d->io;
    unsigned at = RANGE_INDEX(io->msr, io->nr_msr, msr);

    return at < io->nr_msr && io->msr[at].first <= msr ? &io->msr[at] : NULL;
}

/* One unlocked attempt at finding the first range that ends at or above gpa. */
static bool mmio_at_or_above(const struct io_map *io, gpa_t gpa, struct mmio_range *range)
{
    unsigned nr = READ_ONCE(io->nr_mmio);
    unsigned at = RANGE_INDEX(io->mmio, nr, gpa);

    if (at >= nr)
        return false;
    *range = (struct mmio_range){READ_ONCE(io->mmio[at].first), READ_ONCE(io->mmio[at].last),
                                 READ_ONCE(io->mmio[at].fn), READ_ONCE(io->mmio[at].ctx)};
    return true;
}

bool mmio_next(const struct domain *d, gpa_t gpa, struct mmio_range *range)
{
    const struct io_map *io = d->io;
    bool found;
    u32 seq;

    for (;;) {
        seq = atomic_load(&io->mmio_seq);
        if (!(seq & 1)) {
            found = mmio_at_or_above(io, gpa, range);
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (atomic_load(&io->mmio_seq) == seq)
                return found;
        }
        cpu_relax();
    }
}

bool mmio_find(const struct domain *d, gpa_t gpa, struct mmio_range *range)
{
    return mmio_next(d, gpa, range) && range->first <= gpa;
}

/* Largest naturally aligned piece (1, 2, 4 or 8 bytes) at addr of at most `bytes`. */
static unsigned aligned_piece(u64 addr, unsigned bytes)
{
    unsigned piece = 8;

    while (piece > bytes || addr % piece)
        piece /= 2;
    return piece;
}

static u64 low_bytes(u64 val, unsigned bytes)
{
    return bytes >= 8 ? val : val & (BIT(8 * bytes) - 1);
}

/* Bytes from port up to where the next range begins or `range` ends. */
static unsigned pio_reach(const struct domain *d, u16 port, unsigned bytes, const struct pio_range *range)
{
    unsigned reach = 1;

    while (reach < bytes && port + reach <= 0xffff && pio_find(d, port + reach) == range)
        reach++;
    return reach;
}

static void pio_piece(struct vcpu *v, const struct pio_range *range, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (range)
        range->fn(v, range->ctx, port, bytes, write, val);
    else
        pio_hardware(v, NULL, port, bytes, write, val);
    if (!write)
        *val = (u32)low_bytes(*val, bytes);
}

void pio_access(struct vcpu *v, u16 port, unsigned bytes, bool write, u32 *val)
{
    const struct pio_range *range = pio_find(v->d, port);
    unsigned done, piece;
    u32 result = write ? *val : (u32)low_bytes(~0ull, bytes);

    if (pio_reach(v->d, port, bytes, range) == bytes) {
        pio_piece(v, range, port, bytes, write, val);
        return;
    }
    /* Bytes above port 0xffff do not exist: reads leave them all ones. */
    for (done = 0; done < min(bytes, 4u) && port + done <= 0xffff; done += piece) {
        u16 at = port + done;
        u32 part = (u32)low_bytes(result >> 8 * done, bytes - done);

        range = pio_find(v->d, at);
        piece = aligned_piece(at, pio_reach(v->d, at, bytes - done, range));
        part = (u32)low_bytes(part, piece);
        pio_piece(v, range, at, piece, write, &part);
        if (!write)
            result = (result & ~((u32)low_bytes(~0ull, piece) << 8 * done)) | part << 8 * done;
    }
    if (!write)
        *val = result;
}

/* The access straddles ranges, or has no natural size: naturally aligned pieces, each to whom it belongs. */
static void mmio_split(struct vcpu *v, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    struct mmio_range range;
    u64 result = write ? *val : low_bytes(~0ull, bytes);
    unsigned done, piece;

    for (done = 0; done < bytes; done += piece) {
        gpa_t at = gpa + done;
        u64 part;

        for (piece = aligned_piece(at, bytes - done); piece > 1; piece /= 2)
            if (!mmio_next(v->d, at, &range) || at + piece - 1 < range.first ||
                (range.first <= at && at + piece - 1 <= range.last))
                break;
        if (!mmio_find(v->d, at, &range))
            continue;
        part = low_bytes(result >> 8 * done, piece);
        range.fn(v, range.ctx, at, piece, write, &part);
        if (!write)
            result = (result & ~(low_bytes(~0ull, piece) << 8 * done)) | low_bytes(part, piece) << 8 * done;
    }
    if (!write)
        *val = result;
}

bool mmio_access(struct vcpu *v, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    struct mmio_range range;
    gpa_t last = gpa + bytes - 1;

    if (!mmio_next(v->d, gpa, &range) || range.first > last)
        return false;
    if (range.first > gpa || range.last < last || (bytes & (bytes - 1))) {
        mmio_split(v, gpa, bytes, write, val);
        return true;
    }
    range.fn(v, range.ctx, gpa, bytes, write, val);
    if (!write)
        *val = low_bytes(*val, bytes);
    return true;
}

void pio_bitmap_fill(const struct domain *d, u8 bitmap[PIO_BITMAP_BYTES])
{
    const struct io_map *io = d->io;
    unsigned i, port;

    memset(bitmap, 0, PIO_BITMAP_BYTES);
    for (i = 0; i < io->nr_pio; i++)
        for (port = io->pio[i].first; port <= io->pio[i].last && !io->pio[i].pass; port++)
            bitmap[port / 8] |= 1u << port % 8;
    for (i = 0; i < io->nr_late; i++)
        bitmap[io->late[i].first / 8] |= 1u << io->late[i].first % 8;
}

void pio_bitmap_update(const struct domain *d, u8 bitmap[PIO_BITMAP_BYTES], u16 first, u16 last)
{
    struct io_map *io = d->io;
    const struct pio_range *range;

    spin_lock(&io->lock);
    for (unsigned port = first; port <= last; port++) {
        u8 byte = bitmap[port / 8], bit = 1u << port % 8;

        range = pio_find(d, port);
        WRITE_ONCE(bitmap[port / 8], range && !range->pass ? byte | bit : byte & ~bit);
    }
    spin_unlock(&io->lock);
}

bool pio_set_pass(struct domain *d, u16 first, u16 last, bool pass)
{
    struct pio_range *range = (struct pio_range *)pio_find(d, first);

    if (!range || range->first != first || range->last != last)
        return false;
    WRITE_ONCE(range->pass, pass);
    return true;
}

void msr_for_each(const struct domain *d, void (*fn)(void *ctx, u32 first, u32 last, bool read, bool write), void *ctx)
{
    const struct io_map *io = d->io;
    unsigned i;

    for (i = 0; i < io->nr_msr; i++)
        fn(ctx, io->msr[i].first, io->msr[i].last, io->msr[i].read, io->msr[i].write);
}

void mmio_for_each(const struct domain *d, void (*fn)(void *ctx, gpa_t first, gpa_t last), void *ctx)
{
    struct mmio_range range;
    gpa_t from = 0;

    while (mmio_next(d, from, &range)) {
        fn(ctx, range.first, range.last);
        if (range.last == ~0ull)
            break;
        from = range.last + 1;
    }
}

void pio_deny(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (!write)
        *val = ~0u;
}

void mmio_deny(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    if (!write)
        *val = ~0ull;
}

int msr_read_gp(struct vcpu *v, u32 msr, u64 *val)
{
    return -XEN_EINVAL;
}

int msr_read_zero(struct vcpu *v, u32 msr, u64 *val)
{
    *val = 0;
    return 0;
}

int msr_write_gp(struct vcpu *v, u32 msr, u64 val)
{
    return -XEN_EINVAL;
}

int msr_write_drop(struct vcpu *v, u32 msr, u64 val)
{
    return 0;
}
