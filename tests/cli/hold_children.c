/*
 * hold_children.c - for the scripts here: a program with children in every state. hold_children
 * PREFIX starts PREFIX-runs (a daemon), -stopped (by SIGSTOP), -done (exit code 3, joined), -killed
 * (SIGKILL, joined) and -zombie (has ended, not joined), prints "ready PID" with the pid of the one
 * that runs, and keeps them until its standard input ends.
 */
#include <ipk/error.h>
#include <ipk/process.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000

static int sleep_on(void *arg)
{
	(void)arg;
	while (pause() < 0)
		;
	return 0;
}

static int give(void *code)
{
	return *(int *)code;
}

static int start(const char *prefix, const char *rest, ipk_process_fn fn, void *arg, unsigned flags,
		 ipk_process **ret_p)
{
	char name[200];

	snprintf(name, sizeof(name), "%s-%s", prefix, rest);
	return ipk_process_start(fn, arg, IPK_PROCESS(.name = name, .flags = flags), ret_p);
}

/* Without reaping it. */
static void wait_for(ipk_process *p, int what)
{
	siginfo_t info;

	waitid(P_PID, (id_t)ipk_process_pid(p), &info, what | WNOWAIT);
}

static int hold(const char *prefix)
{
	IPK_AUTO(process, runs);
	IPK_AUTO(process, stopped);
	IPK_AUTO(process, done);
	IPK_AUTO(process, killed);
	IPK_AUTO(process, zombie);

	IPK_TRY(start(prefix, "runs", sleep_on, NULL, IPK_PROCESS_DAEMON, &runs));
	IPK_TRY(start(prefix, "stopped", sleep_on, NULL, IPK_PROCESS_DIE_WITH_PARENT, &stopped));
	IPK_TRY(start(prefix, "done", give, &(int){3}, 0, &done));
	IPK_TRY(start(prefix, "killed", sleep_on, NULL, 0, &killed));
	IPK_TRY(start(prefix, "zombie", give, &(int){0}, 0, &zombie));
	kill(ipk_process_pid(stopped), SIGSTOP);
	wait_for(stopped, WSTOPPED);
	IPK_TRY(ipk_process_join(done, ipk_in_ms(WAIT_MS), NULL));
	IPK_TRY(ipk_process_kill(killed));
	IPK_TRY(ipk_process_join(killed, ipk_in_ms(WAIT_MS), NULL));
	wait_for(zombie, WEXITED);
	printf("ready %d\n", (int)ipk_process_pid(runs));
	fflush(stdout);
	while (getchar() != EOF)
		;
	IPK_TRY(ipk_process_kill(stopped));
	IPK_TRY(ipk_process_join(stopped, ipk_in_ms(WAIT_MS), NULL));
	IPK_TRY(ipk_process_kill(runs));
	IPK_TRY(ipk_process_join(runs, ipk_in_ms(WAIT_MS), NULL));
	return ipk_process_join(zombie, ipk_in_ms(WAIT_MS), NULL);
}

int main(int argc, char **argv)
{
	int r = argc == 2 ? hold(argv[1]) : -1;

	if (r < 0)
		fprintf(stderr, "hold_children: %s: %s\n", ipk_errname(r), ipk_strerror(r));
	return r < 0;
}
