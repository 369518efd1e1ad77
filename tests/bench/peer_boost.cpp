/* peer_boost.cpp - see peer_boost.h. No exception leaves this file. */
#include <string>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <unistd.h>

#include "peer_boost.h"

using boost::interprocess::message_queue;

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
