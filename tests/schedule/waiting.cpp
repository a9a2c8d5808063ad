// Scenes of senders and receivers that wait: for one another, against a close, a limit, a cancelled handle, a signal,
// the end of their interpreter.
#include "channel/watch.hpp"
#include "schedule/scenes.hpp"

namespace interpchannels::scenes {
namespace {

// Two items, of which each may find the receiver anywhere on its way to sleep.
template <std::int64_t kCapacity>
void send_and_recv() {
    Channel channel(kCapacity);
    Account account;
    auto sender = [&] {
        send(channel, account, 0);
        send(channel, account, 1);
    };
    auto receiver = [&] {
        recv(channel, account);
        recv(channel, account);
    };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("receiver", receiver);
    run(rest);
    expect(account.received() == 2, "two were sent, and both ended without them");
    at_end(account, channel);
}

// The same the short way.
template <std::int64_t kCapacity>
void send_and_recv_short() {
    Channel channel(kCapacity);
    Account account;
    auto sender = [&] {
        send_short(channel, account, 0);
        send_short(channel, account, 1);
    };
    auto receiver = [&] {
        recv_short(channel, account);
        recv_short(channel, account);
    };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("receiver", receiver);
    run(rest);
    expect(account.received() == 2, "two were sent, and both ended without them");
    at_end(account, channel);
}

// One item only: for a search without bounds.
template <std::int64_t kCapacity>
void send_and_recv_one() {
    Channel channel(kCapacity);
    Account account;
    auto sender = [&] { send(channel, account, 0); };
    auto receiver = [&] { recv(channel, account); };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("receiver", receiver);
    run(rest);
    expect(account.received() == 1, "one was sent, and both ended without it");
    at_end(account, channel);
}

// The channel is full, and a receiver makes one place.
template <bool kShort>
void send_and_make_place() {
    Channel channel(1);
    Account account;
    send(channel, account, 0);
    auto sender = [&] { kShort ? send_short(channel, account, 1) : send(channel, account, 1); };
    auto receiver = [&] { kShort ? recv_short(channel, account) : recv(channel, account); };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("receiver", receiver);
    run(rest);
    at_end(account, channel);
    expect(account.received() == 2, "there was a place, and it was not taken");
}

template <std::int64_t kCapacity>
void two_receivers() {
    Channel channel(kCapacity);
    Account account;
    account.ordered = false;
    auto sender = [&] {
        send(channel, account, 0);
        send(channel, account, 1);
    };
    auto receiver = [&] { recv(channel, account); };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("receiver A", receiver);
    go("receiver B", receiver);
    run(rest);
    expect(account.received() == 2, "two were sent, and both ended without them");
    at_end(account, channel);
}

template <std::int64_t kCapacity>
void two_senders() {
    Channel channel(kCapacity);
    Account account;
    account.ordered = false;
    auto first = [&] { send(channel, account, 0); };
    auto second = [&] { send(channel, account, 1); };
    auto receiver = [&] {
        recv(channel, account);
        recv(channel, account);
    };
    auto rest = [&] { at_rest(channel, account); };
    go("sender A", first);
    go("sender B", second);
    go("receiver", receiver);
    run(rest);
    expect(account.received() == 2, "two were sent, and not received");
    at_end(account, channel);
}

// A receiver, or a sender, is parked or about to be.
template <std::int64_t kCapacity, bool kNow>
void close_and_recv() {
    Channel channel(kCapacity);
    Account account;
    account.dropping = kNow;
    Status last = Status::kOk;
    auto receiver = [&] {
        while ((last = recv(channel, account)) == Status::kOk) {
        }
    };
    auto closer = [&] {
        send(channel, account, 0, limited());
        kNow ? channel.close_now() : channel.close_sends(false);
    };
    auto rest = [&] { ::schedule::wrong("somebody sleeps at a closed channel"); };
    go("receiver", receiver);
    go("closer", closer);
    run(rest);
    expect(last == Status::kClosed, "the close was not what ended it");
    expect(channel.state() == State::kClosed, "it was told that all is over, and there is an item");
    at_end(account, channel);
}

template <std::int64_t kCapacity, bool kNow>
void close_and_send() {
    Channel channel(kCapacity);
    Account account;
    account.dropping = kNow;
    if (kCapacity == 1) send(channel, account, 0);  // it is full
    Status last = Status::kOk;
    auto sender = [&] { last = send(channel, account, 1); };
    auto closer = [&] { kNow ? channel.close_now() : channel.close_sends(false); };
    auto receiver = [&] { try_recv(channel, account); };
    auto rest = [&] { ::schedule::wrong("somebody sleeps at a closed channel"); };
    go("sender", sender);
    go("closer", closer);
    go("receiver", receiver);
    run(rest);
    expect(last == Status::kClosed || last == Status::kOk, "what ended it was neither");
    at_end(account, channel);
}

// One of two receivers has a limit. Where it gives up, its wake-up is not lost.
template <std::int64_t kCapacity>
void limit_and_recv() {
    Channel channel(kCapacity);
    Account account;
    account.ordered = false;
    auto sender = [&] { send(channel, account, 0); };
    auto hasty = [&] { recv(channel, account, limited()); };
    auto patient = [&] { recv(channel, account); };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    go("hasty receiver", hasty);
    go("patient receiver", patient);
    run(rest);
    expect(account.received() == 1, "one was sent, and not received");
    at_end(account, channel);
}

template <std::int64_t kCapacity>
void limit_and_send() {
    Channel channel(kCapacity);
    Account account;
    account.ordered = false;
    if (kCapacity == 1) send(channel, account, 0);
    auto hasty = [&] { send(channel, account, 1, limited()); };
    auto patient = [&] { send(channel, account, 2); };
    auto receiver = [&] { recv(channel, account); };
    auto rest = [&] { at_rest(channel, account); };
    go("hasty sender", hasty);
    go("patient sender", patient);
    go("receiver", receiver);
    run(rest);
    at_end(account, channel);
}

// A signal comes while they sleep: they come back, or give up.
template <std::int64_t kCapacity>
void signal_and_send() {
    Channel channel(kCapacity);
    Account account;
    WaitFor wait;
    wait.interruptible = true;
    if (kCapacity == 1) send(channel, account, 0);
    auto sender = [&] { send(channel, account, 1, wait); };
    auto receiver = [&] { recv(channel, account, wait); };
    auto rest = [&] { at_rest(channel, account); };
    go("sender", sender);
    ::schedule::signals(1);
    go("receiver", receiver);
    ::schedule::signals(1);
    run(rest);
    at_end(account, channel);
}

// The handle that one of two receivers waits on is closed.
template <std::int64_t kCapacity>
void cancel_and_recv() {
    Channel channel(kCapacity);
    Account account;
    account.ordered = false;
    std::atomic<bool> cancelled{false};
    Status ended = Status::kWouldBlock;
    WaitFor wait;
    wait.cancelled = &cancelled;
    auto one = [&] { ended = recv(channel, account, wait); };
    auto other = [&] { recv(channel, account); };
    auto third = [&] {
        cancelled.store(true, std::memory_order_release);
        channel.wake_all();
        send(channel, account, 0);
    };
    auto rest = [&] {
        expect(ended != Status::kWouldBlock, "it sleeps, and its handle was closed");
        at_rest(channel, account);
    };
    go("cancelled receiver", one);
    go("other receiver", other);
    go("closer and sender", third);
    run(rest);
    expect(account.received() == 1, "one was sent, and not received");
    at_end(account, channel);
}

// The receiver's interpreter ends, or pokes it.
template <std::int64_t kCapacity, bool kEnds>
void group_and_recv() {
    Channel channel(kCapacity);
    Account account;
    WaitGroup group;
    Status ended = Status::kWouldBlock;
    auto receiver = [&] {
        WaitFor wait;
        wait.group = &group;
        Parcel parcel;
        Scratch scratch;
        ended = channel.recv(parcel, scratch, wait);
        if (ended == Status::kOk) account.receive(parcel);
    };
    auto sender = [&] { send(channel, account, 0, limited()); };
    auto ender = [&] { kEnds ? group.end() : group.poke(); };
    auto rest = [&] { ::schedule::wrong("it sleeps, and its interpreter has ended or poked it"); };
    go("receiver", receiver);
    go("sender", sender);
    go("interpreter", ender);
    run(rest);
    expect(ended == Status::kOk || ended == (kEnds ? Status::kEnding : Status::kInterrupted),
           "what ended it was neither");
    expect(group.count().blocked == 0, "it is in the group still");
    at_end(account, channel);
}

// Of the items that an interpreter had sent some are removed where they stand.
void clear_and_recv() {
    Channel channel(kUnbounded);
    Account account;
    account.dropping = true;
    for (int i = 0; i < 3; ++i) {
        Message message(i, 8);
        message.parcel.sender = 1;
        message.parcel.unbound_op = i == 1 ? 0 : 1;
        expect(channel.try_send(message.parcel, 1) == Status::kOk, "it is not sent");
        account.accept(i);
    }
    auto clearer = [&] { channel.clear_sender(1, 1); };
    auto receiver = [&] {
        recv_short(channel, account);
        recv(channel, account, limited());
    };
    auto sender = [&] { send(channel, account, 3); };
    auto rest = [&] { at_rest(channel, account); };
    go("clearer", clearer);
    go("receiver", receiver);
    go("sender", sender);
    run(rest);
    at_end(account, channel);
}

// A receive that no thread waits for is given up: what it was told of, another is told of.
void watch_and_recv() {
    Channel channel(kUnbounded);
    Account account;
    Notifier* const notifier = Notifier::make();
    expect(notifier != nullptr, "there is no descriptor left");
    auto watcher = [&] {
        Watch watch(channel, *notifier, Watch::Kind::kPromise);
        if (watch.arm(nullptr, nullptr) == Status::kOk)
            watch.looked(try_recv(channel, account) == Status::kOk);
        watch.cancel();
        notifier->remove(watch.waiter());
    };
    auto receiver = [&] { recv(channel, account); };
    auto sender = [&] { send(channel, account, 0); };
    auto rest = [&] { at_rest(channel, account); };
    go("watcher", watcher);
    go("receiver", receiver);
    go("sender", sender);
    run(rest);
    notifier->unref();
    expect(account.received() == 1, "one was sent, and not received");
    at_end(account, channel);
}

// task_done() and join().
void done_and_join() {
    Channel channel(kUnbounded);
    Account account;
    account.ordered = false;
    send(channel, account, 0);
    send(channel, account, 1);
    Status ended = Status::kWouldBlock;
    auto worker = [&] {
        try_recv(channel, account);
        channel.add_done();
    };
    auto joiner = [&] { ended = channel.wait_until_done(WaitFor{}); };
    auto rest = [&] { ::schedule::wrong("it sleeps, and all are done"); };
    go("worker A", worker);
    go("worker B", worker);
    go("joiner", joiner);
    run(rest);
    expect(ended == Status::kOk && channel.unfinished() == 0, "it has ended before all were done");
    at_end(account, channel);
}

}  // namespace

extern const Scene kWaiting[] = {
    {"one item", send_and_recv_one<kUnbounded>, {kOrders, kTwo}, {kBuffers}},
    {"one item, capacity 1", send_and_recv_one<1>, {kOrders, kTwo}, {kBuffers}},
    {"one item, capacity 0", send_and_recv_one<0>, {kOrders, kTwo}, {kBuffers}},
    {"a place", send_and_make_place<false>, {kOrders, kTwo}, {kBuffers}},
    {"a place, short", send_and_make_place<true>, {kOrders, kTwo}, {kBuffers}},
    {"send, recv, short", send_and_recv_short<kUnbounded>, {kOrders, kTwo}, {kThree}},
    {"send, recv, short, capacity 1", send_and_recv_short<1>, {kTwo}, {kOrders}},
    {"send, recv", send_and_recv<kUnbounded>, {kOrders, kTwo}, {kThree}},
    {"send, recv, capacity 1", send_and_recv<1>, {kTwo}, {kOrders}},
    {"send, recv, capacity 0", send_and_recv<0>, {kOrders, kTwo}, {kBuffers}},
    {"two receivers", two_receivers<kUnbounded>, {kOne}, {kOrders}},
    {"two receivers, capacity 1", two_receivers<1>, {kOne}, {kOrders}},
    {"two receivers, capacity 0", two_receivers<0>, {kOrders, kTwo}, {kBuffers}},
    {"two senders, capacity 1", two_senders<1>, {kOne}, {kOrders}},
    {"two senders, capacity 0", two_senders<0>, {kTwo}, {kOrders}},
    {"close, recv", close_and_recv<kUnbounded, false>, {kOrders, kTwo}, {kBuffers}},
    {"close now, recv", close_and_recv<kUnbounded, true>, {kOrders, kTwo}, {kBuffers}},
    {"close, recv, capacity 0", close_and_recv<0, false>, {kOrders, kTwo}, {kBuffers}},
    {"close, send, capacity 1", close_and_send<1, false>, {kOrders, kTwo}, {kBuffers}},
    {"close now, send, capacity 1", close_and_send<1, true>, {kOrders, kTwo}, {kBuffers}},
    {"close, send, capacity 0", close_and_send<0, false>, {kOrders, kTwo}, {kBuffers}},
    {"limit, recv", limit_and_recv<kUnbounded>, {kOrders}, {kTwo}},
    {"limit, recv, capacity 1", limit_and_recv<1>, {kOne}, {kOrders}},
    {"limit, recv, capacity 0", limit_and_recv<0>, {kOrders, kTwo}, {kBuffers}},
    {"limit, send, capacity 1", limit_and_send<1>, {kOrders}, {kTwo}},
    {"limit, send, capacity 0", limit_and_send<0>, {kOrders, kTwo}, {kBuffers}},
    {"signal, capacity 1", signal_and_send<1>, {kOrders, kTwo}, {kBuffers}},
    {"signal, capacity 0", signal_and_send<0>, {kOrders, kTwo}, {kBuffers}},
    {"cancel, recv", cancel_and_recv<kUnbounded>, {kTwo}, {kOrders}},
    {"cancel, recv, capacity 0", cancel_and_recv<0>, {kTwo}, {kOrders}},
    {"end, recv", group_and_recv<kUnbounded, true>, {kOrders, kTwo}, {kBuffers}},
    {"end, recv, capacity 0", group_and_recv<0, true>, {kOrders, kTwo}, {kBuffers}},
    {"poke, recv", group_and_recv<kUnbounded, false>, {kOrders, kTwo}, {kBuffers}},
    {"watch, recv", watch_and_recv, {kOrders, kTwo}, {kBuffers}},
    {"done, join", done_and_join, {kOrders, kTwo}, {kBuffers}},
    {"clear, recv", clear_and_recv, {kOrders, kTwo}, {kBuffers}},
};
extern const int kWaitingCount = sizeof kWaiting / sizeof kWaiting[0];

}  // namespace interpchannels::scenes
