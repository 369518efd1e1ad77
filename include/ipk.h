/* ipk.h - everything: #include <ipk.h> and link ipk::ipk (pkg-config: ipk). */
#ifndef IPK_H
#define IPK_H

#include "ipk/base.h"
#include "ipk/deadline.h"
#include "ipk/error.h"
#include "ipk/inspect.h"
#include "ipk/lock.h"
#include "ipk/pack.h"
#include "ipk/pipe.h"
#include "ipk/process.h"
#include "ipk/queue.h"

#endif
