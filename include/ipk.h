/*
 * ipk.h - everything in libipk: #include <ipk.h> and link ipk::ipk (pkg-config: ipk).
 *
 * Managers and pipes across machines are a library of their own, ipk::ipk-manager (pkg-config:
 * ipk-manager): <ipk/manager.h>, <ipk/manager_server.h>, <ipk/manager_inspect.h>, <ipk/net.h>.
 */
#ifndef IPK_H
#define IPK_H

#include "ipk/barrier.h"
#include "ipk/base.h"
#include "ipk/cond.h"
#include "ipk/deadline.h"
#include "ipk/error.h"
#include "ipk/event.h"
#include "ipk/future.h"
#include "ipk/inspect.h"
#include "ipk/lock.h"
#include "ipk/once.h"
#include "ipk/pack.h"
#include "ipk/pipe.h"
#include "ipk/pool.h"
#include "ipk/process.h"
#include "ipk/progress.h"
#include "ipk/queue.h"
#include "ipk/rwlock.h"
#include "ipk/semaphore.h"
#include "ipk/shm.h"
#include "ipk/timer.h"
#include "ipk/value.h"

#endif
