// What help() says of the methods of both ends. Every example is run as a test.
#pragma once

namespace interpchannels {

inline constexpr const char* recv_doc =
    R"(recv($self, timeout=None)
--

The next item; waits for one, at most `timeout` seconds (None: without bound; 0: tries once).

TimeoutError; ChannelClosedError when the channel is closed and drained, this handle is closed, or the
interpreter ends; KeyboardInterrupt at once in the main thread. From any thread of the interpreter that holds
this end.

>>> recv, send = interpchannels.create()
>>> send.send('hello')
>>> recv.recv()
'hello'
>>> recv.recv(timeout=0.01)
Traceback (most recent call last):
...
TimeoutError: recv from channel ... timed out: no item within 0.01 seconds; send to it, or wait longer)";

inline constexpr const char* recv_nowait_doc =
    R"(recv_nowait([default])

The next item; where there is none now, `default`, or ChannelEmptyError. ChannelClosedError when the channel is
closed and drained, default or not. Never blocks. From any thread of the interpreter that holds this end.

>>> recv, send = interpchannels.create()
>>> recv.recv_nowait('nothing')
'nothing'
>>> recv.recv_nowait()
Traceback (most recent call last):
...
interpchannels.ChannelEmptyError: channel ... is empty: use recv(), which waits, or pass a default)";

inline constexpr const char* send_doc =
    R"(send($self, obj, timeout=None)
--

Send a copy of obj. Waits for a place, at most `timeout` seconds (None: without bound; 0: tries once), where the
channel is bounded; at capacity 0 until a receiver took it.

TimeoutError; ChannelClosedError; NotShareableError where obj cannot cross; KeyboardInterrupt at once in the main
thread. A send that fails leaves nothing in the channel. From any thread of the interpreter that holds this end.

>>> recv, send = interpchannels.create()
>>> send.send({'numbers': [1, 2, 3]})
>>> recv.recv()
{'numbers': [1, 2, 3]})";

inline constexpr const char* send_nowait_doc =
    R"(send_nowait($self, obj, /)
--

Like send(), but ChannelFullError where it would wait. At capacity 0 it finds receivers that are blocked in
recv(), not those in recv_async(). Never blocks.

>>> recv, send = interpchannels.create(capacity=1)
>>> send.send_nowait(1)
>>> send.send_nowait(2)
Traceback (most recent call last):
...
interpchannels.ChannelFullError: channel ... is full (capacity 1): use send(), which waits)";

inline constexpr const char* close_doc =
    R"(close($self)
--

Close this handle; what is blocked on it raises ChannelClosedError. Idempotent. Never blocks. When the last handle
of its direction is closed, the channel is: receivers drain it, senders raise ChannelClosedError. From any thread of
the interpreter that holds this end.

>>> recv, send = interpchannels.create()
>>> send.send('last')
>>> send.close()
>>> list(recv)
['last'])";

inline constexpr const char* shutdown_doc =
    R"(shutdown($self, immediate=False)
--

Close the channel for everyone. Receivers drain what is queued, unless immediate=True drops it. Idempotent; never
blocks. ChannelClosedError where this handle is closed. From any thread of the interpreter that holds this end.

>>> recv, send = interpchannels.create()
>>> send.send('dropped')
>>> recv.shutdown(immediate=True)
>>> recv.closed, send.closed, len(recv)
(True, True, 0))";

inline constexpr const char* clone_doc =
    R"(clone($self)
--

Another handle of this end, counted by itself. ChannelClosedError where this one is closed. Never blocks. From any
thread of the interpreter that holds this end.

>>> recv, send = interpchannels.create()
>>> other = send.clone()
>>> send.close()
>>> other.send('the channel is open')
>>> recv.recv()
'the channel is open')";

inline constexpr const char* end_stats_doc =
    R"(stats($self)
--

The channel's counters, as ChannelStats. Exact while nobody sends or receives. Never blocks. From any thread of the
interpreter that holds this end.

>>> recv, send = interpchannels.create()
>>> send.send_many('abc')
3
>>> recv.recv()
'a'
>>> send.stats().sent, send.stats().received, send.stats().queued
(3, 1, 2))";

}  // namespace interpchannels
