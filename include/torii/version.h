/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TORII_VERSION_H
#define TORII_VERSION_H

#define TORII_VERSION "0.1"

#endif
