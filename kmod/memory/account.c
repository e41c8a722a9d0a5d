// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much buffer memory each user holds, and the most that one may.
 *
 * RLIMIT_MEMLOCK would be the kernel's own counter, but its default of 8 MiB is less than one
 * frame of many cards.
 */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include "internal.h"

static unsigned long ndma_quota_bytes = ULONG_MAX;
module_param_named(quota_bytes, ndma_quota_bytes, ulong, 0644);
MODULE_PARM_DESC(quota_bytes,
		 "most buffer memory of one user, in bytes; 0: no limit (default: half of RAM)");

/**
 * struct ndma_account - one user who holds buffer memory
 * @uid: the user
 * @bytes: held now, more than 0 while the account exists
 */
struct ndma_account {
	kuid_t uid;
	u64 bytes;
};

/* struct ndma_account by uid. */
static DEFINE_XARRAY(ndma_accounts);
static DEFINE_MUTEX(ndma_accounts_lock);

static u64 ndma_account_limit(void)
{
	unsigned long limit = READ_ONCE(ndma_quota_bytes);

	if (limit == ULONG_MAX)
		return ((u64)totalram_pages() << PAGE_SHIFT) / 2;
	return limit;
}

u64 ndma_account_quota(u64 *used)
{
	struct ndma_account *account;

	mutex_lock(&ndma_accounts_lock);
	account = xa_load(&ndma_accounts, __kuid_val(current_uid()));
	*used = account ? account->bytes : 0;
	mutex_unlock(&ndma_accounts_lock);
	return ndma_account_limit();
}

/* The caller's account, with no bytes yet if it is new. */
static struct ndma_account *ndma_account_find(void)
{
	kuid_t uid = current_uid();
	struct ndma_account *account = xa_load(&ndma_accounts, __kuid_val(uid));
	int ret;

	if (account)
		return account;
	account = kzalloc(sizeof(*account), GFP_KERNEL);
	if (!account)
		return ERR_PTR(-ENOMEM);
	account->uid = uid;
	ret = xa_err(xa_store(&ndma_accounts, __kuid_val(uid), account, GFP_KERNEL));
	if (ret) {
		kfree(account);
		return ERR_PTR(ret);
	}
	return account;
}

static void ndma_account_free_if_empty(struct ndma_account *account)
{
	if (account->bytes)
		return;
	xa_erase(&ndma_accounts, __kuid_val(account->uid));
	kfree(account);
}

int ndma_account_charge(u64 bytes, struct ndma_account **out)
{
	u64 limit = ndma_account_limit();
	struct ndma_account *account;
	int ret = 0;

	mutex_lock(&ndma_accounts_lock);
	account = ndma_account_find();
	if (IS_ERR(account)) {
		ret = PTR_ERR(account);
		goto out_unlock;
	}
	if (limit && (bytes > limit || account->bytes > limit - bytes)) {
		ndma_account_free_if_empty(account);
		ret = -EDQUOT;
		goto out_unlock;
	}
	account->bytes += bytes;
	*out = account;
out_unlock:
	mutex_unlock(&ndma_accounts_lock);
	return ret;
}

void ndma_account_uncharge(struct ndma_account *account, u64 bytes)
{
	mutex_lock(&ndma_accounts_lock);
	account->bytes -= bytes;
	ndma_account_free_if_empty(account);
	mutex_unlock(&ndma_accounts_lock);
}
