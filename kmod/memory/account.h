/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NDMA_ACCOUNT_H
#define NDMA_ACCOUNT_H

#include <linux/types.h>

struct ndma_account;

/* Charges the calling user; -EDQUOT, -ENOMEM. @bytes is more than 0. May sleep. */
int ndma_account_charge(u64 bytes, struct ndma_account **out);
void ndma_account_uncharge(struct ndma_account *account, u64 bytes);
/* The calling user's quota (0: none) and what of it is used. */
u64 ndma_account_quota(u64 *used);

#endif /* NDMA_ACCOUNT_H */
