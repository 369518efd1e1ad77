/*
 * redis_scripts.c - what Redis has no command for, as scripts that run inside the server.
 *
 * Each script runs alone and whole, so it is what a command is on our server. Its first look
 * at the key's type comes before its first write: a refusal changes nothing. Written as text
 * rather than as files to load, so that the library needs nothing but itself.
 *
 * Key names, for an object "name" (all in the slot of "name", see redis_map.c for other names):
 *
 *   name                dict: hash; list: list; value: string; what one waits for: a sorted set
 *                       of one member, its kind ("ipk.lock"), so that dict and list commands on
 *                       it are refused as everywhere
 *   {name}:ipk.s        its state, a hash: holder ("session:owner"), count, fence, permits,
 *                       parties, max, order, ...; w:ID until when a waiter is believed in,
 *                       r:ID what it was granted, h:session:owner permits held
 *   {name}:ipk.l        who holds something: session ("random-pid") by the millisecond when its
 *                       lease ends
 *   {name}:ipk.i        items of a queue; sorted set of "priority number value" or list
 *   {name}:ipk.u:S      items that session S took and has not reported done
 *   {name}:ipk.q:R      who waits, in order, for one of: a acquire, c notify, e event, b barrier,
 *                       g get, p put, j join; r: grants not looked at yet
 *   {name}:ipk.w:ID     a list on which that waiter sleeps (BLPOP); short-lived
 *   {name}:ipk.once     the last reply for each sequence (below), gone two minutes after the last
 *
 *   {name}:ipk.never    never there: while a cluster moves the slot, a request that names it is
 *                       refused whole (TRYAGAIN) rather than failing between two writes
 *
 * Every script gets three keys, the name, its ipk.once and its ipk.never, then a sequence (one
 * stream of requests that are sent one after the other), the request's number, the helper keys'
 * beginning, the session and its lease in ms, then its own arguments. A request sent again finds
 * its number in ipk.once and gets the reply of then.
 *
 * Waking is only a hint: a waiter looks again at least once a second, so a hint that went to
 * a dead one costs time, never correctness. Whose lease has ended is undone by the next
 * script that looks (reap).
 */
#include <string.h>

#include "redis/redis.h"

#define PRELUDE                                                                                 \
	"local K, O, sequence, num, H = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]\n"          \
	"local me, lease, call, now, A = ARGV[4], tonumber(ARGV[5]), redis.call, nil, {}\n"     \
	"for i = 6, #ARGV do A[i - 5] = ARGV[i] end\n"                                          \
	"local function clock()\n"                                                              \
	" if redis.replicate_commands then redis.replicate_commands() end\n"                    \
	" local t = call('TIME')\n"                                                             \
	" now = t[1] * 1000 + math.floor(t[2] / 1000)\n"                                        \
	"end\n"                                                                                 \
	"local function once(f)\n"                                                              \
	" local was = call('HGET', O, sequence)\n"                                              \
	" if was then\n"                                                                        \
	"  was = cmsgpack.unpack(was)\n"                                                        \
	"  if was[1] == num then return was[3] end\n"                                           \
	" end\n"                                                                                \
	" clock()\n"                                                                            \
	" local r = f()\n"                                                                      \
	" if type(r) == 'table' and r.err then return r end\n"                                  \
	" if r == nil then r = false end\n"                                                     \
	" local is_new = call('HSET', O, sequence, cmsgpack.pack({num, now, r})) == 1\n"        \
	" if is_new and call('HLEN', O) % 256 == 0 then\n"                                      \
	"  local all = call('HGETALL', O)\n"                                                    \
	"  for i = 2, #all, 2 do\n"                                                             \
	"   if now - cmsgpack.unpack(all[i])[2] > 60000 then call('HDEL', O, all[i - 1]) end\n" \
	"  end\n"                                                                               \
	" end\n"                                                                                \
	" call('PEXPIRE', O, 120000)\n"                                                         \
	" return r\n"                                                                           \
	"end\n"

#define ROW                                                                                    \
	"local function fit(x, n, low, high, default)\n"                                       \
	" if x == '-' then return default end\n"                                               \
	" x = tonumber(x)\n"                                                                   \
	" if x < 0 then x = x + n end\n"                                                       \
	" return math.min(math.max(x, low), high)\n"                                           \
	"end\n"                                                                                \
	"local function span(n, a, b, s)\n"                                                    \
	" if s < 0 then return fit(a, n, -1, n - 1, n - 1), fit(b, n, -1, n - 1, -1) end\n"    \
	" return fit(a, n, 0, n, 0), fit(b, n, 0, n, n)\n"                                     \
	"end\n"                                                                                \
	"local function push(t)\n"                                                             \
	" for i = 1, #t, 5000 do call('RPUSH', K, unpack(t, i, math.min(i + 4999, #t))) end\n" \
	"end\n"                                                                                \
	"local function rewrite(t)\n"                                                          \
	" local ttl = call('PTTL', K)\n"                                                       \
	" call('DEL', K)\n"                                                                    \
	" push(t)\n"                                                                           \
	" if ttl > 0 then call('PEXPIRE', K, ttl) end\n"                                       \
	" return #t\n"                                                                         \
	"end\n"                                                                                \
	"local function rows() return call('LRANGE', K, 0, -1) end\n"

#define SYNC_OBJECT                                                                          \
	"local S, L = H .. ':ipk.s', H .. ':ipk.l'\n"                                        \
	"local WRONG = {err = 'WRONGTYPE Operation against a key holding the wrong kind of " \
	"value'}\n"                                                                          \
	"local BROKEN = {err = 'BROKEN the barrier is broken'}\n"                            \
	"local function num_of(f) return tonumber(call('HGET', S, f) or '0') end\n"          \
	"local function row(role) return H .. ':ipk.q:' .. role end\n"                       \
	"local function bag(s) return H .. ':ipk.u:' .. s end\n"                             \
	"local function need(...)\n"                                                         \
	" local k = call('ZRANGE', K, 0, 0)[1]\n"                                            \
	" if not k then return nil, {err = 'NOKEY no such key'} end\n"                       \
	" for _, a in ipairs({...}) do\n"                                                    \
	"  if k == 'ipk.' .. a then return a end\n"                                          \
	" end\n"                                                                             \
	" return nil, WRONG\n"                                                               \
	"end\n"                                                                              \
	"local function nudge(id)\n"                                                         \
	" call('RPUSH', H .. ':ipk.w:' .. id, 1)\n"                                          \
	" call('PEXPIRE', H .. ':ipk.w:' .. id, 5000)\n"                                     \
	"end\n"                                                                              \
	"local function grant(id, what)\n"                                                   \
	" call('HSET', S, 'r:' .. id, what)\n"                                               \
	" call('ZADD', row('r'), now, id)\n"                                                 \
	"end\n"                                                                              \
	"local function granted(id)\n"                                                       \
	" local r = call('HGET', S, 'r:' .. id)\n"                                           \
	" if r then\n"                                                                       \
	"  call('HDEL', S, 'r:' .. id)\n"                                                    \
	"  call('ZREM', row('r'), id)\n"                                                     \
	" end\n"                                                                             \
	" return r\n"                                                                        \
	"end\n"                                                                              \
	"local function wake(role, n, what)\n"                                               \
	" local k = 0\n"                                                                     \
	" while n < 0 or k < n do\n"                                                         \
	"  local id = call('ZPOPMIN', row(role))[1]\n"                                       \
	"  if not id then break end\n"                                                       \
	"  local till = call('HGET', S, 'w:' .. id)\n"                                       \
	"  call('HDEL', S, 'w:' .. id)\n"                                                    \
	"  if till and tonumber(till) > now then\n"                                          \
	"   if what then grant(id, what) end\n"                                              \
	"   nudge(id)\n"                                                                     \
	"   k = k + 1\n"                                                                     \
	"  end\n"                                                                            \
	" end\n"                                                                             \
	" return k\n"                                                                        \
	"end\n"                                                                              \
	"local function tidy()\n"                                                            \
	" for _, id in ipairs(call('ZRANGEBYSCORE', row('r'), '-inf', now - 60000)) do\n"    \
	"  granted(id)\n"                                                                    \
	" end\n"                                                                             \
	"end\n"                                                                              \
	"local function leave(role, id)\n"                                                   \
	" call('ZREM', row(role), id)\n"                                                     \
	" call('HDEL', S, 'w:' .. id)\n"                                                     \
	" call('DEL', H .. ':ipk.w:' .. id)\n"                                               \
	"end\n"                                                                              \
	"local function wait(role, id, ms)\n"                                                \
	" if ms < 0 then return leave(role, id) end\n"                                       \
	" if not call('ZSCORE', row(role), id) then\n"                                       \
	"  local seq = call('HINCRBY', S, 'seq', 1)\n"                                       \
	"  call('ZADD', row(role), seq, id)\n"                                               \
	"  if seq % 64 == 0 then tidy() end\n"                                               \
	" end\n"                                                                             \
	" call('HSET', S, 'w:' .. id, string.format('%.0f', now + ms + lease))\n"            \
	"end\n"                                                                              \
	"local function hold() call('ZADD', L, now + lease, me) end\n"                       \
	"local function unhold(s) call('ZREM', L, s) end\n"                                  \
	"local function settle(what)\n"                                                      \
	" for _, id in ipairs(call('ZRANGE', row('b'), 0, -1)) do\n"                         \
	"  grant(id, what or call('HGET', S, 'i:' .. id))\n"                                 \
	"  call('HDEL', S, 'i:' .. id, 'w:' .. id)\n"                                        \
	"  nudge(id)\n"                                                                      \
	" end\n"                                                                             \
	" call('DEL', row('b'))\n"                                                           \
	" call('HSET', S, 'n', 0)\n"                                                         \
	"end\n"                                                                              \
	"local function crash()\n"                                                           \
	" settle('x')\n"                                                                     \
	" call('HSET', S, 'broken', 1)\n"                                                    \
	"end\n"                                                                              \
	"local function give_back(s)\n"                                                      \
	" local n, I, k = 0, H .. ':ipk.i', call('HGET', S, 'order')\n"                      \
	" while true do\n"                                                                   \
	"  local v = call('RPOP', bag(s))\n"                                                 \
	"  if not v then break end\n"                                                        \
	"  if k == 'PRIORITY' then call('ZADD', I, 0, v) else call('LPUSH', I, v) end\n"     \
	"  n = n + 1\n"                                                                      \
	" end\n"                                                                             \
	" if n > 0 then wake('g', n) end\n"                                                  \
	"end\n"                                                                              \
	"local function drop(kind, s)\n"                                                     \
	" unhold(s)\n"                                                                       \
	" if kind == 'lock' or kind == 'rlock' then\n"                                       \
	"  local h = call('HGET', S, 'holder')\n"                                            \
	"  if h and h:sub(1, #s + 1) == s .. ':' then\n"                                     \
	"   call('HDEL', S, 'holder', 'count')\n"                                            \
	"   wake('a', 1)\n"                                                                  \
	"  end\n"                                                                            \
	" elseif kind == 'queue' then\n"                                                     \
	"  give_back(s)\n"                                                                   \
	" else\n"                                                                            \
	"  local n, all, p = 0, call('HGETALL', S), 'h:' .. s .. ':'\n"                      \
	"  for i = 1, #all, 2 do\n"                                                          \
	"   if all[i]:sub(1, #p) == p then\n"                                                \
	"    n = n + tonumber(all[i + 1])\n"                                                 \
	"    call('HDEL', S, all[i])\n"                                                      \
	"   end\n"                                                                           \
	"  end\n"                                                                            \
	"  call('HDEL', S, 'n:' .. s)\n"                                                     \
	"  if n > 0 then\n"                                                                  \
	"   call('HINCRBY', S, 'permits', n)\n"                                              \
	"   wake('a', n)\n"                                                                  \
	"  end\n"                                                                            \
	" end\n"                                                                             \
	"end\n"                                                                              \
	"local function reap(kind)\n"                                                        \
	" for _, s in ipairs(call('ZRANGEBYSCORE', L, '-inf', now)) do drop(kind, s) end\n"  \
	" if kind ~= 'barrier' then return end\n"                                            \
	" for _, id in ipairs(call('ZRANGE', row('b'), 0, -1)) do\n"                         \
	"  local till = call('HGET', S, 'w:' .. id)\n"                                       \
	"  if not till or tonumber(till) <= now then return crash() end\n"                   \
	" end\n"                                                                             \
	"end\n"                                                                              \
	"local function sweep()\n"                                                           \
	" for _, s in ipairs(call('ZRANGE', L, 0, -1)) do call('DEL', bag(s)) end\n"         \
	" for r in ('agpjcber'):gmatch('.') do call('DEL', row(r)) end\n"                    \
	" call('DEL', S, L, H .. ':ipk.i')\n"                                                \
	"end\n"

/* clang-format off */
static const struct script {
	const char *name;
	const char *text;
} scripts[] = {
	{"ONCE", PRELUDE
		"if A[1]:upper():sub(1, 6) == 'RENAME' and call('TYPE', K).ok == 'zset' then\n"
		" return {err = 'ERR what one waits for cannot be renamed here'}\n"
		"end\n"
		"return once(function()\n"
		" if #A <= 7000 then return redis.pcall(unpack(A)) end\n"
		" local r\n"
		" for i = 3, #A, 7000 do\n"
		"  r = redis.pcall(A[1], A[2], unpack(A, i, math.min(i + 6999, #A)))\n"
		"  if type(r) == 'table' and r.err then break end\n"
		" end\n"
		" return r\n"
		"end)\n"},
	{"TYPE", PRELUDE
		"local t = call('TYPE', K)\n"
		"local k = t.ok == 'zset' and call('ZRANGE', K, 0, 0)[1]\n"
		"return k and k:sub(1, 4) == 'ipk.' and {ok = k} or t\n"},
	{"DEL", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" if call('TYPE', K).ok == 'zset' and call('ZRANGE', K, 0, 0)[1]:sub(1, 4) == 'ipk.' then\n"
		"  settle('x')\n"
		"  for r in ('agpjcbe'):gmatch('.') do wake(r, -1) end\n"
		"  sweep()\n"
		" end\n"
		" return call('DEL', K)\n"
		"end)\n"},
	{"IPK.LINSERT", PRELUDE ROW
		"return once(function()\n"
		" local n = call('LLEN', K)\n"
		" local i = fit(A[1], n, 0, n, n)\n"
		" if i == 0 then return call('LPUSH', K, A[2]) end\n"
		" if i == n then return call('RPUSH', K, A[2]) end\n"
		" local t = call('LRANGE', K, i, -1)\n"
		" call('LTRIM', K, 0, i - 1)\n"
		" call('RPUSH', K, A[2])\n"
		" push(t)\n"
		" return n + 1\n"
		"end)\n"},
	{"IPK.LPOPAT", PRELUDE ROW
		"return once(function()\n"
		" local n, i = call('LLEN', K), tonumber(A[1])\n"
		" if i < 0 then i = i + n end\n"
		" if i < 0 or i >= n then return false end\n"
		" if i == 0 then return call('LPOP', K) end\n"
		" if i == n - 1 then return call('RPOP', K) end\n"
		" local v, gone = call('LINDEX', K, i), 'ipk.gone:' .. sequence .. num\n"
		" call('LSET', K, i, gone)\n"
		" call('LREM', K, i < n / 2 and 1 or -1, gone)\n"
		" return v\n"
		"end)\n"},
	{"IPK.LSLICE", PRELUDE ROW
		"local s, out = tonumber(A[3]), {}\n"
		"if s == 0 then return {err = 'ERR slice step cannot be zero'} end\n"
		"local i, j = span(call('LLEN', K), A[1], A[2], s)\n"
		"if s == 1 then return i < j and call('LRANGE', K, i, j - 1) or out end\n"
		"local low, high = math.min(i, j + 1), math.max(i, j - 1)\n"
		"local t = call('LRANGE', K, low, high)\n"
		"for x = i, s > 0 and j - 1 or j + 1, s do out[#out + 1] = t[x - low + 1] end\n"
		"return out\n"},
	{"IPK.LSETSLICE", PRELUDE ROW
		"return once(function()\n"
		" local s = tonumber(A[3])\n"
		" if s == 0 then return {err = 'ERR slice step cannot be zero'} end\n"
		" local t, new = rows(), {}\n"
		" local i, j = span(#t, A[1], A[2], s)\n"
		" local n = math.max(0, math.ceil((j - i) / s))\n"
		" if s ~= 1 and n ~= #A - 3 then\n"
		"  return {err = 'RANGE attempt to assign sequence of size ' .. #A - 3 ..\n"
		"   ' to extended slice of size ' .. n}\n"
		" end\n"
		" if s ~= 1 then\n"
		"  for x = 0, n - 1 do call('LSET', K, i + x * s, A[4 + x]) end\n"
		"  return #t\n"
		" end\n"
		" for x = 1, i do new[x] = t[x] end\n"
		" for x = 4, #A do new[#new + 1] = A[x] end\n"
		" for x = math.max(i, j) + 1, #t do new[#new + 1] = t[x] end\n"
		" return rewrite(new)\n"
		"end)\n"},
	{"IPK.LDELSLICE", PRELUDE ROW
		"return once(function()\n"
		" local s = tonumber(A[3])\n"
		" if s == 0 then return {err = 'ERR slice step cannot be zero'} end\n"
		" local t, new, n = rows(), {}, 0\n"
		" local i, j = span(#t, A[1], A[2], s)\n"
		" for x = i, s > 0 and j - 1 or j + 1, s do\n"
		"  t[x + 1] = false\n"
		"  n = n + 1\n"
		" end\n"
		" if n == 0 then return 0 end\n"
		" for x = 1, #t do\n"
		"  if t[x] then new[#new + 1] = t[x] end\n"
		" end\n"
		" rewrite(new)\n"
		" return n\n"
		"end)\n"},
	{"IPK.LINDEXOF", PRELUDE ROW
		"if A[2] == '-' and A[3] == '-' then return call('LPOS', K, A[1]) end\n"
		"local i, j = span(call('LLEN', K), A[2], A[3], 1)\n"
		"if i >= j then return false end\n"
		"for x, v in ipairs(call('LRANGE', K, i, j - 1)) do\n"
		" if v == A[1] then return i + x - 1 end\n"
		"end\n"
		"return false\n"},
	{"IPK.LCOUNT", PRELUDE
		"return #call('LPOS', K, A[1], 'COUNT', 0)\n"},
	{"IPK.LREVERSE", PRELUDE ROW
		"return once(function()\n"
		" local t, n = rows(), call('LLEN', K)\n"
		" for i = 1, math.floor(n / 2) do t[i], t[n + 1 - i] = t[n + 1 - i], t[i] end\n"
		" rewrite(t)\n"
		" return {ok = 'OK'}\n"
		"end)\n"},
	{"IPK.LSORT", PRELUDE ROW
		"local function by_bytes(a, b)\n"
		" for i = 1, math.min(#a, #b) do\n"
		"  local x, y = a:byte(i), b:byte(i)\n"
		"  if x ~= y then return x < y and -1 or 1 end\n"
		" end\n"
		" return #a < #b and -1 or #a > #b and 1 or 0\n"
		"end\n"
		"local function whole(a) return a:match('^[+-]?0*(%d+)$') end\n"
		"local function number(v)\n"
		" if v:match('^[+-]?%d+%.?%d*[eE]?[+-]?%d*$') or v:match('^[+-]?%.%d+[eE]?[+-]?%d*$') then\n"
		"  return tonumber(v)\n"
		" end\n"
		" local word = v:lower():gsub('^[+-]', '')\n"
		" if word ~= 'inf' and word ~= 'infinity' then return nil end\n"
		" return v:sub(1, 1) == '-' and -math.huge or math.huge\n"
		"end\n"
		"local function by_number(a, b)\n"
		" if a.n ~= b.n then return a.n < b.n and -1 or 1 end\n"
		" local x, y = whole(a.v), whole(b.v)\n"
		" if not x or not y or x == y then return 0 end\n"
		" local r = #x ~= #y and (#x < #y and -1 or 1) or by_bytes(x, y)\n"
		" return a.n < 0 and -r or r\n"
		"end\n"
		"local RANK = {['nil'] = 0, boolean = 1, number = 2, string = 3, table = 4}\n"
		"local function by_typed(a, b)\n"
		" local x, y = RANK[type(a)] or 5, RANK[type(b)] or 5\n"
		" if x ~= y then return x < y and -1 or 1 end\n"
		" if x == 1 then return a == b and 0 or (b and -1 or 1) end\n"
		" if x == 2 then return a < b and -1 or a > b and 1 or 0 end\n"
		" if x == 3 then return by_bytes(a, b) end\n"
		" if x ~= 4 then return 0 end\n"
		" for i = 1, math.min(#a, #b) do\n"
		"  local r = by_typed(a[i], b[i])\n"
		"  if r ~= 0 then return r end\n"
		" end\n"
		" return #a < #b and -1 or #a > #b and 1 or 0\n"
		"end\n"
		"local FROM = {\n"
		" BYTES = function(v) return v end,\n"
		" NUMBER = function(v)\n"
		"  local n = number(v)\n"
		"  return n and {n = n, v = v}, 'is not a number'\n"
		" end,\n"
		" TYPED = function(v)\n"
		"  if v:byte(1) ~= 193 then return nil, 'is not typed' end\n"
		"  local ok, r = pcall(cmsgpack.unpack, v:sub(2))\n"
		"  if not ok then return nil, 'cannot be compared here' end\n"
		"  return {r}, nil\n"
		" end,\n"
		"}\n"
		"local ORDER = {BYTES = by_bytes, NUMBER = by_number, TYPED = by_typed}\n"
		"return once(function()\n"
		" local how, t, d = A[1]:upper(), rows(), {}\n"
		" if not FROM[how] then return {err = 'ERR syntax error'} end\n"
		" for i, v in ipairs(t) do\n"
		"  local key, why = FROM[how](v)\n"
		"  if key == nil or key == false then\n"
		"   return {err = 'VALUE item ' .. i - 1 .. ' ' .. why}\n"
		"  end\n"
		"  d[i] = {key, i, v}\n"
		" end\n"
		" local order, sign = ORDER[how], A[2]:upper() == 'DESC' and -1 or 1\n"
		" table.sort(d, function(a, b)\n"
		"  local r = order(a[1], b[1]) * sign\n"
		"  if r ~= 0 then return r < 0 end\n"
		"  return a[2] < b[2]\n"
		" end)\n"
		" for i, x in ipairs(d) do t[i] = x[3] end\n"
		" rewrite(t)\n"
		" return {ok = 'OK'}\n"
		"end)\n"},
	{"IPK.LREPEAT", PRELUDE ROW
		"return once(function()\n"
		" local n, t = tonumber(A[1]), rows()\n"
		" if n <= 0 then call('DEL', K) end\n"
		" if n <= 0 or #t == 0 then return 0 end\n"
		" if n * #t > 10000000 then return {err = 'OOM that would be more than 10000000 items'} end\n"
		" for _ = 2, n do push(t) end\n"
		" return n * #t\n"
		"end)\n"},
	{"IPK.LINCRBY", PRELUDE
		"return once(function()\n"
		" local tmp, v = H .. ':ipk.t', call('LINDEX', K, A[1])\n"
		" if not v then return {err = 'RANGE index out of range'} end\n"
		" call('SET', tmp, v)\n"
		" local r = redis.pcall('INCRBY', tmp, A[2])\n"
		" if type(r) == 'table' and r.err and not r.err:find('overflow') then\n"
		"  r = redis.pcall('INCRBYFLOAT', tmp, A[2])\n"
		" end\n"
		" v = call('GET', tmp)\n"
		" call('DEL', tmp)\n"
		" if type(r) == 'table' and r.err then return r end\n"
		" call('LSET', K, A[1], v)\n"
		" return v\n"
		"end)\n"},
	{"IPK.LMAKE", PRELUDE ROW
		"return once(function()\n"
		" if call('LLEN', K) > 0 then return 0 end\n"
		" local n, t = tonumber(A[1]), {}\n"
		" if n > 10000000 then return {err = 'OOM that would be more than 10000000 items'} end\n"
		" for i = 1, math.min(n, 5000) do t[i] = A[2] end\n"
		" while n > 5000 do\n"
		"  push(t)\n"
		"  n = n - 5000\n"
		" end\n"
		" for i = 1, n do t[i] = A[2] end\n"
		" for i = #t, n + 1, -1 do t[i] = nil end\n"
		" push(t)\n"
		" return 1\n"
		"end)\n"},
	{"IPK.HSETDEFAULT", PRELUDE
		"return once(function()\n"
		" call('HSETNX', K, A[1], A[2])\n"
		" return call('HGET', K, A[1])\n"
		"end)\n"},
	{"IPK.HPOP", PRELUDE
		"return once(function()\n"
		" local v = call('HGET', K, A[1])\n"
		" if v then call('HDEL', K, A[1]) end\n"
		" return v\n"
		"end)\n"},
	{"IPK.HPOPITEM", PRELUDE
		"return once(function()\n"
		" local pair = call('HRANDFIELD', K, 1, 'WITHVALUES')\n"
		" if not pair[1] then return false end\n"
		" call('HDEL', K, pair[1])\n"
		" return pair\n"
		"end)\n"},
	{"IPK.HCAS", PRELUDE
		"return once(function()\n"
		" local v, i = call('HGET', K, A[1]), 3\n"
		" if A[2]:upper() == 'IS' then\n"
		"  if v ~= A[3] then return 0 end\n"
		"  i = 4\n"
		" elseif v then\n"
		"  return 0\n"
		" end\n"
		" if A[i]:upper() == 'SET' then\n"
		"  call('HSET', K, A[1], A[i + 1])\n"
		" else\n"
		"  call('HDEL', K, A[1])\n"
		" end\n"
		" return 1\n"
		"end)\n"},
	{"IPK.NEW", PRELUDE SYNC_OBJECT
		"local WORDS = {lock = 1, rlock = 1, event = 1, semaphore = 2, boundedsemaphore = 2,\n"
		" condition = 2, barrier = 2, queue = 4}\n"
		"local FIELD = {semaphore = 'permits', boundedsemaphore = 'permits', barrier = 'parties',\n"
		" queue = 'max', condition = 'lock'}\n"
		"return once(function()\n"
		" local kind, n = A[1]:lower(), tonumber(A[2])\n"
		" local f, words = FIELD[kind], WORDS[kind]\n"
		" if not words then return {err = 'ERR syntax error'} end\n"
		" if #A ~= words and not (kind == 'queue' and #A == 3) then\n"
		"  return {err = \"ERR wrong number of arguments for 'ipk.new' command\"}\n"
		" end\n"
		" for i = 3, #A do A[i] = A[i]:upper() end\n"
		" if f and f ~= 'lock' and not n then\n"
		"  return {err = 'ERR value is not an integer or out of range'}\n"
		" end\n"
		" if f and f ~= 'lock' and n < (f == 'parties' and 1 or 0) then\n"
		"  return {err = 'VALUE it is out of range'}\n"
		" end\n"
		" if kind == 'queue' and A[3] ~= 'FIFO' and A[3] ~= 'LIFO' and A[3] ~= 'PRIORITY' or\n"
		"  A[4] and A[4] ~= 'JOINABLE' then\n"
		"  return {err = 'ERR syntax error'}\n"
		" end\n"
		" local sig = table.concat(A, '\\0', 2)\n"
		" if call('EXISTS', K) == 1 then\n"
		"  local same = call('TYPE', K).ok == 'zset' and call('ZRANGE', K, 0, 0)[1] == 'ipk.' .. kind\n"
		"  if same and call('HGET', S, 'sig') == sig then return 0 end\n"
		"  return {err = 'EXISTS something else is there'}\n"
		" end\n"
		" sweep()\n"
		" call('HSET', S, 'sig', sig)\n"
		" if f then call('HSET', S, f, A[2], 'limit', A[2]) end\n"
		" if kind == 'queue' then\n"
		"  call('HSET', S, 'order', A[3], 'joinable', A[4] and 1 or 0)\n"
		" end\n"
		" call('ZADD', K, 1, 'ipk.' .. kind)\n"
		" return 1\n"
		"end)\n"},
	{"IPK.ACQUIRE", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local k, e = need('lock', 'rlock', 'semaphore', 'boundedsemaphore')\n"
		" if e then return e end\n"
		" reap(k)\n"
		" local mine, id, ms = me .. ':' .. A[1], A[2], tonumber(A[3])\n"
		" if k == 'lock' or k == 'rlock' then\n"
		"  local h = call('HGET', S, 'holder')\n"
		"  if not h or (h == mine and k == 'rlock') then\n"
		"   call('HSET', S, 'holder', mine)\n"
		"   call('HINCRBY', S, 'count', A[4])\n"
		"   if not h then call('HINCRBY', S, 'fence', 1) end\n"
		"   hold()\n"
		"   leave('a', id)\n"
		"   return {1, 0}\n"
		"  end\n"
		" elseif num_of('permits') > 0 then\n"
		"  call('HINCRBY', S, 'permits', -1)\n"
		"  call('HINCRBY', S, 'h:' .. mine, 1)\n"
		"  call('HINCRBY', S, 'n:' .. me, 1)\n"
		"  hold()\n"
		"  leave('a', id)\n"
		"  return {1, 0}\n"
		" end\n"
		" wait('a', id, ms)\n"
		" local first = call('ZRANGE', L, 0, 0, 'WITHSCORES')[2]\n"
		" return {0, first and math.max(1, tonumber(first) - now + 1) or 60000}\n"
		"end)\n"},
	{"IPK.RELEASE", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local k, e = need('lock', 'rlock', 'semaphore', 'boundedsemaphore')\n"
		" if e then return e end\n"
		" reap(k)\n"
		" local mine, n = me .. ':' .. A[1], tonumber(A[2])\n"
		" if n < 1 then return {err = 'VALUE n must be one or more'} end\n"
		" if k == 'lock' or k == 'rlock' then\n"
		"  if call('HGET', S, 'holder') ~= mine or num_of('count') < n then\n"
		"   return {err = 'NOTOWNER the lock is not held by this owner'}\n"
		"  end\n"
		"  if call('HINCRBY', S, 'count', -n) > 0 then return {{ok = 'OK'}, n} end\n"
		"  call('HDEL', S, 'holder', 'count')\n"
		"  unhold(me)\n"
		"  wake('a', 1)\n"
		"  return {{ok = 'OK'}, n}\n"
		" end\n"
		" if A[3] == '1' and num_of('n:' .. me) < n then\n"
		"  return {err = 'OWNERDEAD the lease ended while it was held'}\n"
		" end\n"
		" if k == 'boundedsemaphore' and num_of('permits') + n > num_of('limit') then\n"
		"  return {err = 'VALUE semaphore released too many times'}\n"
		" end\n"
		" call('HINCRBY', S, 'permits', n)\n"
		" local own = math.min(n, num_of('h:' .. mine))\n"
		" if own > 0 and call('HINCRBY', S, 'h:' .. mine, -own) == 0 then\n"
		"  call('HDEL', S, 'h:' .. mine)\n"
		" end\n"
		" if own > 0 and call('HINCRBY', S, 'n:' .. me, -own) == 0 then\n"
		"  call('HDEL', S, 'n:' .. me)\n"
		"  unhold(me)\n"
		" end\n"
		" wake('a', n)\n"
		" return {{ok = 'OK'}, own}\n"
		"end)\n"},
	{"IPK.HELD", PRELUDE SYNC_OBJECT
		"clock()\n"
		"local k, e = need('lock', 'rlock', 'semaphore', 'boundedsemaphore')\n"
		"if e then return e end\n"
		"reap(k)\n"
		"local mine = me .. ':' .. A[1]\n"
		"if k ~= 'lock' and k ~= 'rlock' then return num_of('h:' .. mine) end\n"
		"return call('HGET', S, 'holder') == mine and num_of('count') or 0\n"},
	{"IPK.OWNER", PRELUDE SYNC_OBJECT
		"clock()\n"
		"local k, e = need('lock', 'rlock')\n"
		"if e then return e end\n"
		"reap(k)\n"
		"local s, pid, o = (call('HGET', S, 'holder') or ''):match('^(%w+%-?(%d*)):(.*)$')\n"
		"if not s then return false end\n"
		"return {0, tonumber(pid) or 0, s, '', o, num_of('count')}\n"},
	{"IPK.FENCE", PRELUDE SYNC_OBJECT
		"local k, e = need('lock', 'rlock')\n"
		"return e or num_of('fence')\n"},
	{"UNHOLD", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local k, e = need('lock', 'rlock')\n"
		" if e then return e end\n"
		" reap(k)\n"
		" if call('HGET', S, 'holder') ~= me .. ':' .. A[1] then\n"
		"  return {err = 'NOTOWNER the lock is not held by this owner'}\n"
		" end\n"
		" local n = num_of('count')\n"
		" call('HDEL', S, 'holder', 'count')\n"
		" unhold(me)\n"
		" wake('a', 1)\n"
		" return n\n"
		"end)\n"},
	{"COMPANION", PRELUDE SYNC_OBJECT
		"local _, e = need('condition')\n"
		"return e or call('HGET', S, 'lock')\n"},
	{"IPK.CWAIT", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local _, e = need('condition')\n"
		" if e then return e end\n"
		" if granted(A[1]) then\n"
		"  leave('c', A[1])\n"
		"  return {1, 0}\n"
		" end\n"
		" wait('c', A[1], tonumber(A[2]))\n"
		" return {0, 60000}\n"
		"end)\n"},
	{"IPK.CNOTIFY", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local _, e = need('condition')\n"
		" return e or wake('c', tonumber(A[1]), 1)\n"
		"end)\n"},
	{"IPK.ESET", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local _, e = need('event')\n"
		" if e then return e end\n"
		" call('HSET', S, 'set', 1)\n"
		" wake('e', -1, 1)\n"
		" return {ok = 'OK'}\n"
		"end)\n"},
	{"IPK.ECLEAR", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local _, e = need('event')\n"
		" if e then return e end\n"
		" call('HDEL', S, 'set')\n"
		" return {ok = 'OK'}\n"
		"end)\n"},
	{"IPK.EISSET", PRELUDE SYNC_OBJECT
		"local _, e = need('event')\n"
		"return e or num_of('set')\n"},
	{"IPK.EWAIT", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local _, e = need('event')\n"
		" if e then return e end\n"
		" if granted(A[1]) or num_of('set') == 1 then\n"
		"  leave('e', A[1])\n"
		"  return {1, 0}\n"
		" end\n"
		" wait('e', A[1], tonumber(A[2]))\n"
		" return {0, 60000}\n"
		"end)\n"},
	{"IPK.BWAIT", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local k, e = need('barrier')\n"
		" if e then return A[3] == 'again' and BROKEN or e end\n"
		" reap(k)\n"
		" local id, ms = A[1], tonumber(A[2])\n"
		" local r = granted(id)\n"
		" if r then\n"
		"  leave('b', id)\n"
		"  return r == 'x' and BROKEN or {1, tonumber(r)}\n"
		" end\n"
		" if call('HEXISTS', S, 'i:' .. id) == 0 then\n"
		"  if A[3] == 'again' or num_of('broken') == 1 then return BROKEN end\n"
		"  local n = num_of('n')\n"
		"  if n + 1 == num_of('parties') then\n"
		"   settle()\n"
		"   return {1, n}\n"
		"  end\n"
		"  call('HSET', S, 'i:' .. id, n, 'n', n + 1)\n"
		" end\n"
		" if ms >= 0 then\n"
		"  wait('b', id, ms)\n"
		"  return {0, 60000}\n"
		" end\n"
		" crash()\n"
		" call('HDEL', S, 'i:' .. id)\n"
		" granted(id)\n"
		" leave('b', id)\n"
		" return BROKEN\n"
		"end)\n"},
	{"IPK.BABORT", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local _, e = need('barrier')\n"
		" if e then return e end\n"
		" crash()\n"
		" return {ok = 'OK'}\n"
		"end)\n"},
	{"IPK.BRESET", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local _, e = need('barrier')\n"
		" if e then return e end\n"
		" settle('x')\n"
		" call('HDEL', S, 'broken')\n"
		" return {ok = 'OK'}\n"
		"end)\n"},
	{"IPK.BINFO", PRELUDE SYNC_OBJECT
		"clock()\n"
		"local k, e = need('barrier')\n"
		"if e then return e end\n"
		"reap(k)\n"
		"return {num_of('parties'), num_of('n'), num_of('broken')}\n"},
	{"IPK.QPUT", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local k, e = need('queue')\n"
		" if e then return e end\n"
		" reap(k)\n"
		" if num_of('shut') == 1 then return {err = 'SHUTDOWN the queue is shut down'} end\n"
		" local I, order, max = H .. ':ipk.i', call('HGET', S, 'order'), num_of('max')\n"
		" local len = call(order == 'PRIORITY' and 'ZCARD' or 'LLEN', I)\n"
		" local n = max == 0 and #A - 3 or math.max(0, math.min(max - len, #A - 3))\n"
		" for i = 4, 3 + n do\n"
		"  if order == 'PRIORITY' then\n"
		"   local seq = string.format('%016x', call('HINCRBY', S, 'put', 1))\n"
		"   call('ZADD', I, 0, A[3] .. seq .. A[i])\n"
		"  else\n"
		"   call(order == 'LIFO' and 'LPUSH' or 'RPUSH', I, A[i])\n"
		"  end\n"
		" end\n"
		" if num_of('joinable') == 1 then call('HINCRBY', S, 'unfinished', n) end\n"
		" wake('g', n)\n"
		" if n < #A - 3 then\n"
		"  wait('p', A[1], tonumber(A[2]))\n"
		" else\n"
		"  leave('p', A[1])\n"
		"  if max > 0 and len + n < max then wake('p', 1) end\n"
		" end\n"
		" return {n, 60000}\n"
		"end)\n"},
	{"IPK.QGET", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local k, e = need('queue')\n"
		" if e then return e end\n"
		" reap(k)\n"
		" local I, prio = H .. ':ipk.i', call('HGET', S, 'order') == 'PRIORITY'\n"
		" local len, out = call(prio and 'ZCARD' or 'LLEN', I), {}\n"
		" local n = math.min(len, tonumber(A[3]))\n"
		" if n == 0 and num_of('shut') == 1 then return {err = 'SHUTDOWN the queue is shut down'} end\n"
		" if n == 0 then\n"
		"  wait('g', A[1], tonumber(A[2]))\n"
		"  local first = call('ZRANGE', L, 0, 0, 'WITHSCORES')[2]\n"
		"  return {0, first and math.max(1, tonumber(first) - now + 1) or 60000}\n"
		" end\n"
		" local joinable = num_of('joinable') == 1\n"
		" for i = 1, n do\n"
		"  local v = prio and call('ZPOPMIN', I)[1] or call('LPOP', I)\n"
		"  if joinable then call('RPUSH', bag(me), v) end\n"
		"  out[i] = prio and v:sub(33) or v\n"
		" end\n"
		" if joinable then hold() end\n"
		" wake('p', n)\n"
		" leave('g', A[1])\n"
		" if len > n then wake('g', 1) end\n"
		" return {1, joinable and 1 or 0, out}\n"
		"end)\n"},
	{"IPK.QLEN", PRELUDE SYNC_OBJECT
		"clock()\n"
		"local k, e = need('queue')\n"
		"if e then return e end\n"
		"reap(k)\n"
		"return call(call('HGET', S, 'order') == 'PRIORITY' and 'ZCARD' or 'LLEN', H .. ':ipk.i')\n"},
	{"IPK.QINFO", PRELUDE SYNC_OBJECT
		"clock()\n"
		"local k, e = need('queue')\n"
		"if e then return e end\n"
		"reap(k)\n"
		"local order = call('HGET', S, 'order')\n"
		"return {call(order == 'PRIORITY' and 'ZCARD' or 'LLEN', H .. ':ipk.i'), num_of('max'),\n"
		" num_of('unfinished'), num_of('shut'), order, num_of('joinable')}\n"},
	{"IPK.QDONE", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local k, e = need('queue')\n"
		" if e then return e end\n"
		" reap(k)\n"
		" local n = tonumber(A[1])\n"
		" local mine = call('LLEN', bag(me))\n"
		" if A[2] == '1' and mine < n then\n"
		"  return {err = 'OWNERDEAD the lease ended while it was held'}\n"
		" end\n"
		" if n > num_of('unfinished') then\n"
		"  return {err = 'VALUE task_done() called too many times'}\n"
		" end\n"
		" call('LTRIM', bag(me), n, -1)\n"
		" if mine <= n then unhold(me) end\n"
		" if call('HINCRBY', S, 'unfinished', -n) == 0 then wake('j', -1) end\n"
		" return {{ok = 'OK'}, math.min(n, mine)}\n"
		"end)\n"},
	{"IPK.QJOIN", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local k, e = need('queue')\n"
		" if e then return e end\n"
		" reap(k)\n"
		" if num_of('unfinished') == 0 then\n"
		"  leave('j', A[1])\n"
		"  return {1, 0}\n"
		" end\n"
		" wait('j', A[1], tonumber(A[2]))\n"
		" return {0, 60000}\n"
		"end)\n"},
	{"IPK.QSHUTDOWN", PRELUDE SYNC_OBJECT
		"return once(function()\n"
		" local k, e = need('queue')\n"
		" if e then return e end\n"
		" call('HSET', S, 'shut', 1)\n"
		" if A[1] then\n"
		"  local I, prio = H .. ':ipk.i', call('HGET', S, 'order') == 'PRIORITY'\n"
		"  local n = call(prio and 'ZCARD' or 'LLEN', I)\n"
		"  call('DEL', I)\n"
		"  if num_of('joinable') == 0 then n = 0 end\n"
		"  if call('HINCRBY', S, 'unfinished', -n) == 0 then wake('j', -1) end\n"
		" end\n"
		" wake('g', -1)\n"
		" wake('p', -1)\n"
		" return {ok = 'OK'}\n"
		"end)\n"},
	{"RENEW", PRELUDE SYNC_OBJECT
		"clock()\n"
		"if not call('ZSCORE', L, me) then return 0 end\n"
		"hold()\n"
		"return 1\n"},
	{"DROP", PRELUDE SYNC_OBJECT
		"clock()\n"
		"local k = need('lock', 'rlock', 'semaphore', 'boundedsemaphore', 'queue')\n"
		"if k then drop(k, me) end\n"
		"return 1\n"},
};
/* clang-format on */

_Static_assert(sizeof scripts / sizeof scripts[0] <= IPK__REDIS_SCRIPTS_MAX, "room for each hash");

int ipk__redis_script(const char *name, size_t n_bytes)
{
	for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
		if (ipk__slice_is_word(IPK__SLICE(name, n_bytes), scripts[i].name))
			return (int)i;
	return -1;
}

const char *ipk__redis_script_text(int script)
{
	return scripts[script].text;
}
