/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nvme-virt DEVICE CONTROLLER RESOURCE ACTION COUNT: the Virtualization Management command (NVMe 1.4 §5.22), which gives a
 * virtual function its queues (resource 0) and interrupts (1) and switches it on (action 9) or off (7).
 */
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define NVME_ADMIN_VIRT_MGMT 0x1c

int main(int argc, char **argv)
{
    struct nvme_admin_cmd cmd = {.opcode = NVME_ADMIN_VIRT_MGMT};
    int fd, status;

    if (argc != 6 || (fd = open(argv[1], O_RDWR)) < 0) {
        perror(argv[1] ? argv[1] : "usage: nvme-virt DEVICE CONTROLLER RESOURCE ACTION COUNT");
        return 2;
    }
    cmd.cdw10 = strtoul(argv[4], NULL, 0) | strtoul(argv[3], NULL, 0) << 8 | strtoul(argv[2], NULL, 0) << 16;
    cmd.cdw11 = strtoul(argv[5], NULL, 0);
    status = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd);
    if (status < 0)
        perror("ioctl");
    else if (status)
        printf("NVMe status %#x\n", status);
    return status != 0;
}
