/*
 * test_dlopen.c - the shipped libraries in a program that knows nothing of them before it
 * loads them: as plugins and other languages do, with threads that run already, in a thread
 * with a small stack. The program is linked with none of them.
 */
#include <check.h>
#include <dlfcn.h>
#include <ipk.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_THREADS 20
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STACK_BYTES (1 << 20) /* what is watched has larger frames */
#else
#define STACK_BYTES (64 << 10)
#endif

static const char *const libraries[] = {IPK_LIBRARY, IPK_MANAGER_LIBRARY};

struct early {
	pthread_t thread;
	sem_t go;
	void *library;
};

#define LOOK_UP(library, name) __typeof__(&name) f_##name = dlsym(library, #name)

/* What has thread-local variables, in a thread that was there before they were. */
static void use(void *library)
{
	LOOK_UP(library, ipk_now);
	LOOK_UP(library, ipk_lock_create);
	LOOK_UP(library, ipk_lock_lock);
	LOOK_UP(library, ipk_lock_unlock);
	LOOK_UP(library, ipk_lock_close);
	LOOK_UP(library, ipk_rwlock_create);
	LOOK_UP(library, ipk_rwlock_read_lock);
	LOOK_UP(library, ipk_rwlock_read_unlock);
	LOOK_UP(library, ipk_rwlock_close);
	ipk_rwlock *rwlock = NULL;
	ipk_lock *lock = NULL;
	bool recovered;

	ck_assert_int_eq(f_ipk_lock_create(NULL, &lock), 0);
	ck_assert_int_eq(f_ipk_lock_lock(lock, f_ipk_now(), &recovered), 0);
	ck_assert_int_eq(f_ipk_lock_unlock(lock), 0);
	f_ipk_lock_close(lock);
	ck_assert_int_eq(f_ipk_rwlock_create(NULL, &rwlock), 0);
	ck_assert_int_eq(f_ipk_rwlock_read_lock(rwlock, (ipk_deadline){INT64_MAX}, &recovered), 0);
	ck_assert_int_eq(f_ipk_rwlock_read_unlock(rwlock), 0);
	f_ipk_rwlock_close(rwlock);
}

static void *use_when_told(void *arg)
{
	struct early *e = arg;

	while (sem_wait(&e->go) != 0)
		;
	use(e->library);
	return NULL;
}

static void *load_and_use(void *arg)
{
	void *library = dlopen(arg, RTLD_NOW | RTLD_LOCAL);

	ck_assert_msg(library != NULL, "%s", dlerror());
	use(library);
	return library;
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	ck_assert_int_eq(pthread_attr_init(&attr), 0);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
	ck_assert_int_eq(pthread_create(&thread, &attr, fn, arg), 0);
	pthread_attr_destroy(&attr);
	return thread;
}

START_TEST(loads_late_in_a_small_thread)
{
	static struct early early[N_THREADS];
	void *library = NULL;

	for (int i = 0; i < N_THREADS; i++) {
		ck_assert_int_eq(sem_init(&early[i].go, 0, 0), 0);
		early[i].thread = start(use_when_told, &early[i]);
	}
	pthread_join(start(load_and_use, (void *)libraries[_i]), &library);
	for (int i = 0; i < N_THREADS; i++) {
		early[i].library = library;
		sem_post(&early[i].go);
		pthread_join(early[i].thread, NULL);
	}
}
END_TEST

/* Threads, handlers of forks and of ended threads would go on in what is no longer there. */
START_TEST(stays_loaded)
{
	void *library = dlopen(libraries[_i], RTLD_NOW);

	ck_assert_msg(library != NULL, "%s", dlerror());
	dlclose(library);
	ck_assert_ptr_eq(dlopen(libraries[_i], RTLD_NOW | RTLD_NOLOAD), library);
}
END_TEST

static void *loaded;

static void use_loaded(void)
{
	if (loaded)
		use(loaded);
}

/* A handler that was there before it runs while the library's own have prepared for the fork. */
START_TEST(handlers_of_forks_may_use_it)
{
	pid_t pid;
	int status;

	ck_assert_int_eq(pthread_atfork(use_loaded, use_loaded, NULL), 0);
	loaded = dlopen(libraries[_i], RTLD_NOW);
	ck_assert_msg(loaded != NULL, "%s", dlerror());
	pid = fork();
	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	loaded = NULL;
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dlopen");
	TCase *c = tcase_create("dlopen");
	SRunner *runner = srunner_create(s);
	int n_failed;

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, loads_late_in_a_small_thread, 0, 2);
	tcase_add_loop_test(c, stays_loaded, 0, 2);
	tcase_add_loop_test(c, handlers_of_forks_may_use_it, 0, 2);
	suite_add_tcase(s, c);
	srunner_run_all(runner, CK_ENV);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed > 0;
}
