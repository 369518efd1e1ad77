#!/bin/sh
# glibc231.sh LIBRARY... - the libraries call nothing of glibc that 2.31 (Debian 11) has not:
# what is newer needs a way round in lib/os. A later glibc gave the functions in the table a
# new version when it moved them from libpthread and librt to libc; they are older than that.
set -eu
export LC_ALL=C

moved='fstat fstatat lstat stat mq_close mq_getattr mq_notify mq_open mq_receive mq_send
	mq_setattr mq_timedreceive mq_timedsend mq_unlink sem_close sem_open sem_post sem_timedwait
	sem_wait shm_open shm_unlink timer_create timer_delete timer_settime dladdr dlclose dlerror
	dlopen dlsym __pthread_register_cancel __pthread_unregister_cancel __pthread_unwind_next
	pthread_atfork pthread_attr_setstacksize pthread_cancel pthread_condattr_setclock
	pthread_create pthread_detach pthread_getspecific pthread_join pthread_key_create
	pthread_key_delete pthread_kill pthread_mutex_clocklock pthread_mutex_consistent
	pthread_mutex_trylock pthread_mutexattr_destroy pthread_mutexattr_init
	pthread_mutexattr_setpshared pthread_mutexattr_setrobust pthread_mutexattr_settype
	pthread_once pthread_rwlock_clockwrlock pthread_rwlock_rdlock pthread_rwlock_tryrdlock
	pthread_rwlock_trywrlock pthread_rwlock_unlock pthread_rwlock_wrlock pthread_setname_np
	pthread_setspecific pthread_sigmask pthread_timedjoin_np pthread_tryjoin_np'
# Asked for only where the header that declares it is there.
guarded='__libc_single_threaded'

# shellcheck disable=SC2016 # the $ are awk's
objdump -T "$@" | awk -v known="$moved $guarded" '
	BEGIN {
		n = split(known, word)
		for (i = 1; i <= n; i++)
			is_known[word[i]] = 1
	}
	match($0, /\*UND\*.*GLIBC_[0-9.]+/) {
		version = substr($0, RSTART, RLENGTH)
		sub(/.*GLIBC_/, "", version)
		split(version, part, ".")
		n_symbols++
		if (part[1] == 2 && part[2] > 31 && !($NF in is_known)) {
			printf "%s() is of glibc %s: has 2.31 no such function? (then a way round)\n",
				$NF, version
			bad = 1
		}
	}
	END {
		printf "%d functions of glibc\n", n_symbols
		exit bad
	}'
