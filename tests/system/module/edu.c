/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver for QEMU's edu device: raises `count` interrupts one after the other, each of them by the last one's end. */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/pci.h>

/* Registers in BAR 0 (QEMU, docs/specs/edu). */
#define EDU_STATUS 0x24
#define EDU_RAISE 0x60
#define EDU_ACKNOWLEDGE 0x64
#define EDU_WAIT (60 * HZ)

static int count = 2000;
module_param(count, int, 0444);

struct edu {
    void __iomem *regs;
    struct completion raised;
    int seen;
};

static irqreturn_t edu_interrupt(int irq, void *data)
{
    struct edu *edu = data;
    u32 status = ioread32(edu->regs + EDU_STATUS);

    if (!status)
        return IRQ_NONE; /* somebody else on the line */
    iowrite32(status, edu->regs + EDU_ACKNOWLEDGE);
    edu->seen++;
    complete(&edu->raised);
    return IRQ_HANDLED;
}

static int edu_raise_all(struct pci_dev *dev, struct edu *edu)
{
    int i;

    for (i = 0; i < count; i++) {
        iowrite32(1, edu->regs + EDU_RAISE);
        if (!wait_for_completion_timeout(&edu->raised, EDU_WAIT)) {
            pci_err(dev, "interrupt %d did not come\n", i);
            return -EIO;
        }
    }
    pci_info(dev, "%d interrupts by %s\n", edu->seen, dev->msi_enabled ? "MSI" : "line");
    return 0;
}

static int edu_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
    struct edu *edu = devm_kzalloc(&dev->dev, sizeof(*edu), GFP_KERNEL);
    int err;

    if (!edu)
        return -ENOMEM;
    init_completion(&edu->raised);
    pci_set_drvdata(dev, edu);
    err = pcim_enable_device(dev);
    if (!err)
        err = pcim_iomap_regions(dev, 1, "edu");
    if (err)
        return err;
    edu->regs = pcim_iomap_table(dev)[0];
    pci_set_master(dev);
    err = pci_alloc_irq_vectors(dev, 1, 1, PCI_IRQ_ALL_TYPES);
    if (err < 0)
        return err;
    err = request_irq(pci_irq_vector(dev, 0), edu_interrupt, IRQF_SHARED, "edu", edu);
    if (err)
        pci_free_irq_vectors(dev);
    else if (edu_raise_all(dev, edu))
        pci_err(dev, "failed\n"); /* the driver stays, so that /proc/interrupts can be looked at */
    return err;
}

static void edu_remove(struct pci_dev *dev)
{
    free_irq(pci_irq_vector(dev, 0), pci_get_drvdata(dev));
    pci_free_irq_vectors(dev);
}

static const struct pci_device_id edu_ids[] = {{PCI_DEVICE(0x1234, 0x11e8)}, {}};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {.name = "edu", .id_table = edu_ids, .probe = edu_probe, .remove = edu_remove};
module_pci_driver(edu_driver);

MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("QEMU edu device");
