/* peer_boost.cpp - see peer_boost.h. No exception leaves this file. */
#include <array>
#include <cstring>
#include <string>

#include <boost/functional/hash.hpp>
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/unordered_map.hpp>
#include <unistd.h>

#include "peer_boost.h"

namespace bi = boost::interprocess;
using bi::message_queue;

void *peer_boost_open(size_t n_messages, size_t message_bytes)
{
	std::string name = "ipk-bench-" + std::to_string(getpid());

	try {
		message_queue *queue = new message_queue(boost::interprocess::create_only,
							 name.c_str(), n_messages, message_bytes);
		message_queue::remove(name.c_str());
		return queue;
	} catch (...) {
		return nullptr;
	}
}

void peer_boost_close(void *queue)
{
	delete static_cast<message_queue *>(queue);
}

int peer_boost_send(void *queue, const void *message, size_t message_bytes)
{
	try {
		static_cast<message_queue *>(queue)->send(message, message_bytes, 0);
		return 0;
	} catch (...) {
		return -1;
	}
}

int peer_boost_receive(void *queue, void *buffer, size_t buffer_bytes)
{
	message_queue::size_type n_bytes;
	unsigned priority;

	try {
		static_cast<message_queue *>(queue)->receive(buffer, buffer_bytes, n_bytes,
							     priority);
		return 0;
	} catch (...) {
		return -1;
	}
}

/* --- a map --- */

using key16 = std::array<char, 16>;
using value64 = std::array<char, 64>;
using pair_type = std::pair<const key16, value64>;
using allocator_type = bi::allocator<pair_type, bi::managed_shared_memory::segment_manager>;
using map_type = boost::unordered_map<key16, value64, boost::hash<key16>, std::equal_to<key16>,
				      allocator_type>;

static const size_t MAP_BYTES = 256u << 20;
static const size_t MAP_BUCKETS = 1u << 17;

struct shared_map {
	bi::managed_shared_memory memory;
	bi::interprocess_mutex *mutex;
	map_type *map;
};

void *peer_boost_map_open(void)
{
	std::string name = "ipk-bench-map-" + std::to_string(getpid());

	try {
		shared_map *m = new shared_map;

		bi::shared_memory_object::remove(name.c_str());
		m->memory = bi::managed_shared_memory(bi::create_only, name.c_str(), MAP_BYTES);
		bi::shared_memory_object::remove(name.c_str());
		m->mutex = m->memory.construct<bi::interprocess_mutex>("mutex")();
		m->map = m->memory.construct<map_type>("map")(
			MAP_BUCKETS, boost::hash<key16>(), std::equal_to<key16>(),
			allocator_type(m->memory.get_segment_manager()));
		return m;
	} catch (...) {
		return nullptr;
	}
}

void peer_boost_map_close(void *map)
{
	delete static_cast<shared_map *>(map);
}

int peer_boost_map_set(void *map, const void *key, const void *value)
{
	shared_map *m = static_cast<shared_map *>(map);
	key16 k;
	value64 v;

	memcpy(k.data(), key, k.size());
	memcpy(v.data(), value, v.size());
	try {
		bi::scoped_lock<bi::interprocess_mutex> lock(*m->mutex);

		m->map->insert_or_assign(k, v);
		return 0;
	} catch (...) {
		return -1;
	}
}

int peer_boost_map_get(void *map, const void *key, void *ret_value)
{
	shared_map *m = static_cast<shared_map *>(map);
	key16 k;

	memcpy(k.data(), key, k.size());
	try {
		bi::scoped_lock<bi::interprocess_mutex> lock(*m->mutex);
		map_type::const_iterator it = m->map->find(k);

		if (it == m->map->end())
			return -1;
		memcpy(ret_value, it->second.data(), it->second.size());
		return 0;
	} catch (...) {
		return -1;
	}
}
