/*
 * repair_after_kill.c - a process is killed in the middle of a transfer, holding the lock. The next
 * process still gets the lock, is notified of the death, and repairs the data that the lock guards.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include <ipk/lock.h>
#include <ipk/process.h>
#include <ipk/shm.h>

static struct bank {
	int mine, yours;          /* 100 together */
	int mine_was, yours_was;  /* before the transfer that is under way */
	atomic_bool is_under_way; /* written in this order, whenever it is killed */
} * bank;
static ipk_lock *lock;

static int transfer(void *arg)
{
	bool recovered;

	IPK_CHECK(ipk_lock_lock(lock, ipk_in_ms(10000), &recovered));
	if (recovered && bank->is_under_way) {
		printf("found %d and %d: put back\n", bank->mine, bank->yours);
		bank->mine = bank->mine_was;
		bank->yours = bank->yours_was;
	}
	bank->mine_was = bank->mine;
	bank->yours_was = bank->yours;
	bank->is_under_way = true;
	bank->mine -= 30;
	/* no time to give anything back */
	if (arg)
		raise(SIGKILL);
	bank->yours += 30;
	bank->is_under_way = false;
	return ipk_lock_unlock(lock);
}

int main(void)
{
	IPK_AUTO(shm, memory);
	IPK_AUTO(process, child);

	IPK_CHECK(ipk_shm_create(IPK_SHM(.size_bytes = sizeof *bank), &memory));
	bank = ipk_shm_data(memory);
	*bank = (struct bank){.mine = 60, .yours = 40};
	IPK_CHECK(ipk_lock_create(NULL, &lock));
	IPK_CHECK(ipk_process_start(transfer, lock, NULL, &child));
	IPK_CHECK(ipk_process_join(child, ipk_forever(), NULL));
	IPK_CHECK(transfer(NULL));
	printf("now %d and %d\n", bank->mine, bank->yours);
	ipk_lock_close(lock);
	return bank->mine != 30 || bank->yours != 70;
}
