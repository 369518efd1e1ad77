/*
 * who.h - a thread's name in one word, which nobody else will ever have.
 *
 * Thread ids are used again; with the time the thread was started they are not. The word
 * is what an owner writes into shared memory by one CAS: claim and owner in one.
 */
#ifndef IPK_SHM_WHO_H
#define IPK_SHM_WHO_H

#include <stdbool.h>
#include <stdint.h>

uint64_t ipk__who_am_i(void); /* never 0; /proc is read once a thread */
/* The kernel says that it is gone, or a zombie, or that another thread has its id now. */
bool ipk__who_is_dead(uint64_t who);
uint32_t ipk__who_tid(uint64_t who);

#endif
