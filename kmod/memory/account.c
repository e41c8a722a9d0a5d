// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much buffer memory each user holds, and all together, and the most that they may.
 *
 * RLIMIT_MEMLOCK would be the kernel's own counter, but its default of 8 MiB is less than one
 * frame of many cards. Whoever passes descriptors on passes the charge on with them, and a user can
 * have processes of other users open files: what really bounds a group of processes is the memory
 * cgroup, to which every page is charged as well.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include "internal.h"

static unsigned long ndma_quota_bytes = ULONG_MAX;
module_param_named(quota_bytes, ndma_quota_bytes, ulong, 0644);
MODULE_PARM_DESC(quota_bytes,
		 "most buffer memory of one user, in bytes; 0: no limit (default: half of RAM)");

static unsigned long ndma_total_bytes = ULONG_MAX;
module_param_named(total_bytes, ndma_total_bytes, ulong, 0644);
MODULE_PARM_DESC(total_bytes,
		 "most buffer memory of all users, in bytes; 0: no limit (default: 3/4 of RAM)");

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
/* Of all accounts. */
static u64 ndma_accounts_bytes;
static DEFINE_MUTEX(ndma_accounts_lock);

/* @quarters of RAM, where nobody has set the parameter. */
static u64 ndma_account_limit(const unsigned long *parameter, unsigned int quarters)
{
	unsigned long limit = READ_ONCE(*parameter);

	if (limit == ULONG_MAX)
		return ((u64)totalram_pages() << PAGE_SHIFT) / 4 * quarters;
	return limit;
}

static u64 ndma_account_limit_of_one(void)
{
	return ndma_account_limit(&ndma_quota_bytes, 2);
}

static u64 ndma_account_limit_of_all(void)
{
	return ndma_account_limit(&ndma_total_bytes, 3);
}

u64 ndma_account_quota(kuid_t uid, u64 *used)
{
	struct ndma_account *account;

	mutex_lock(&ndma_accounts_lock);
	account = xa_load(&ndma_accounts, __kuid_val(uid));
	*used = account ? account->bytes : 0;
	mutex_unlock(&ndma_accounts_lock);
	return ndma_account_limit_of_one();
}

/* The user's account, with no bytes yet if it is new. */
static struct ndma_account *ndma_account_find(kuid_t uid)
{
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

/* Whether @bytes more than @used are too much; a limit of 0 is none. */
static bool ndma_account_exceeds(u64 limit, u64 used, u64 bytes)
{
	return limit && (bytes > limit || used > limit - bytes);
}

int ndma_account_charge(kuid_t uid, u64 bytes, struct ndma_account **out)
{
	struct ndma_account *account;
	int ret = 0;

	mutex_lock(&ndma_accounts_lock);
	account = ndma_account_find(uid);
	if (IS_ERR(account)) {
		ret = PTR_ERR(account);
		goto out_unlock;
	}
	if (ndma_account_exceeds(ndma_account_limit_of_one(), account->bytes, bytes))
		ret = -EDQUOT;
	else if (ndma_account_exceeds(ndma_account_limit_of_all(), ndma_accounts_bytes, bytes))
		ret = -ENOSPC;
	if (ret) {
		ndma_account_free_if_empty(account);
		goto out_unlock;
	}
	account->bytes += bytes;
	ndma_accounts_bytes += bytes;
	*out = account;
out_unlock:
	mutex_unlock(&ndma_accounts_lock);
	return ret;
}

void ndma_account_uncharge(struct ndma_account *account, u64 bytes)
{
	mutex_lock(&ndma_accounts_lock);
	account->bytes -= bytes;
	ndma_accounts_bytes -= bytes;
	ndma_account_free_if_empty(account);
	mutex_unlock(&ndma_accounts_lock);
}
