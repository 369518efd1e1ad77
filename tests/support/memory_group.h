/* memory_group.h - a control group with little memory, where the kernel ends who takes more. */
#ifndef MEMORY_GROUP_H
#define MEMORY_GROUP_H

#include <stdbool.h>

#define MEMORY_GROUP_DIR_BYTES 128
#define MEMORY_GROUP_BYTES ((size_t)64 << 20)

/* False, and said on stderr: not allowed here. To be removed with rmdir() once it is empty. */
bool memory_group_make(char ret_dir[MEMORY_GROUP_DIR_BYTES]);
bool memory_group_enter(const char *dir); /* this process */

/* Touch so many bytes. */
void memory_eat(size_t n_bytes);

#endif
