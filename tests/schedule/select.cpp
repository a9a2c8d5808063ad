// Scenes of selects: against senders, receivers and another select; losing, giving up, being told in vain.
#include "schedule/scenes.hpp"

namespace interpchannels::scenes {
namespace {

// What the orders are drawn from in which a select looks: some that differ in their first draws.
std::uint64_t seed() noexcept {
    static constexpr std::uint64_t kSeeds[] = {0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB};
    return kSeeds[::schedule::choose(3)];
}

// A select of up to two operations. What it says is what happened.
class Choice {
public:
    explicit Choice(Account& account) noexcept : account_(account), seed_(seed()) {}
    void recv(Channel& channel) noexcept { ops_[count_++].channel = &channel; }
    void send(Channel& channel, int number) noexcept {
        numbers_[count_] = number;
        messages_[count_].emplace(number, 8);
        ops_[count_].channel = &channel;
        ops_[count_].parcel = &messages_[count_]->parcel;
        ++count_;
    }
    Status wait(const WaitFor& wait = {}) noexcept {
        Parcel out;
        Scratch scratch;
        Select select(ops_, count_, 1, out, scratch, seed_);
        Status status = Status::kOk;
        do {
            status = select.wait(wait);
        } while (status == Status::kInterrupted && ::schedule::choose(2) == 0);
        if (status == Status::kInterrupted && !select.withdraw()) status = Status::kOk;
        return done(select, status, out);
    }
    // Does not wait.
    Status try_together() noexcept {
        Parcel out;
        Scratch scratch;
        Select select(ops_, count_, 1, out, scratch, seed_);
        Status status = select.try_together();
        if (status == Status::kOkOwing) {
            ops_[select.index()].channel->settle();
            status = Status::kOk;
        }
        return done(select, status, out);
    }
    std::size_t index = Select::kNone;

private:
    Status done(const Select& select, Status status, const Parcel& out) noexcept {
        if (status != Status::kOk) return status;
        index = select.index();
        expect(index < count_, "a select did nothing that it was asked for");
        if (ops_[index].parcel) {
            account_.accept(numbers_[index]);
        } else {
            account_.receive(out);
        }
        return status;
    }

    Account& account_;
    const std::uint64_t seed_;
    SelectOp ops_[2];
    std::optional<Message> messages_[2];
    int numbers_[2] = {};
    std::size_t count_ = 0;
};

// Two senders, each at one channel; what the select does not take, another receiver may.
template <std::int64_t kA, std::int64_t kB>
void select_of_recvs() {
    Channel a(kA), b(kB);
    Account account;
    account.ordered = false;
    Status chosen = Status::kWouldBlock;
    auto selecting = [&] {
        Choice choice(account);
        choice.recv(a);
        choice.recv(b);
        chosen = choice.wait();
    };
    auto first = [&] { send(a, account, 0); };
    auto second = [&] { send(b, account, 1); };
    auto rest = [&] {
        expect(chosen == Status::kOk, "the select sleeps, and there is an item");
        at_rest(a, account);
        at_rest(b, account);
    };
    go("select", selecting);
    go("sender A", first);
    go("sender B", second);
    run(rest);
    expect(chosen == Status::kOk, "two were sent, and the select has none");
    at_end(account, a, b);
}

// A select that receives at two channels, and a receiver at one of them that must not be left out.
template <std::int64_t kCapacity>
void select_and_recv() {
    Channel a(kCapacity), b(kCapacity);
    Account account;
    account.ordered = false;
    auto selecting = [&] {
        Choice choice(account);
        choice.recv(a);
        choice.recv(b);
        choice.wait();
    };
    auto receiver = [&] { recv(b, account); };
    auto sender = [&] {
        send(b, account, 0);
        send(a, account, 1);
    };
    auto rest = [&] {
        at_rest(a, account);
        at_rest(b, account);
    };
    go("select", selecting);
    go("receiver", receiver);
    go("sender", sender);
    run(rest);
    expect(account.received() == 2, "two were sent, and not received");
    at_end(account, a, b);
}

// A select that sends to two channels, and a receiver at each; one of them is left over. It may be interrupted once, and
// give up.
template <std::int64_t kCapacity, int kSignals>
void select_of_sends() {
    Channel a(kCapacity), b(kCapacity);
    Account account;
    account.ordered = false;
    if (kCapacity == 1) {
        send(a, account, 2);
        send(b, account, 3);
    }
    auto selecting = [&] {
        Choice choice(account);
        choice.send(a, 0);
        choice.send(b, 1);
        WaitFor wait;
        wait.interruptible = true;
        choice.wait(wait);
    };
    auto first = [&] { recv(a, account); };
    auto second = [&] { recv(b, account); };
    auto rest = [&] {
        at_rest(a, account);
        at_rest(b, account);
    };
    go("select", selecting);
    ::schedule::signals(kSignals);
    go("receiver A", first);
    go("receiver B", second);
    run(rest);
    at_end(account, a, b);
    const int least = kCapacity == 1 ? 2 : 0;
    expect(account.received() == least + 1 || (kSignals != 0 && account.received() == least),
           "it has not sent");
}

// Two selects, in opposite order: each takes all of its locks. They may pair in either channel.
template <std::int64_t kCapacity>
void two_selects() {
    Channel a(kCapacity), b(kCapacity);
    Account account;
    auto first = [&] {
        Choice choice(account);
        choice.recv(a);
        choice.recv(b);
        choice.wait();
    };
    auto second = [&] {
        Choice choice(account);
        choice.send(b, 0);
        choice.send(a, 1);
        choice.wait();
    };
    auto rest = [&] {
        at_rest(a, account);
        at_rest(b, account);
    };
    go("select A", first);
    go("select B", second);
    run(rest);
    expect(account.received() == 1, "they have not found one another");
    at_end(account, a, b);
}

// The select has a limit: no wake-up is lost with it, and nothing is left standing.
template <std::int64_t kCapacity>
void select_gives_up() {
    Channel a(kCapacity), b(kCapacity);
    Account account;
    account.ordered = false;
    auto selecting = [&] {
        Choice choice(account);
        choice.send(a, 0);
        choice.recv(b);
        choice.wait(limited());
    };
    auto sender = [&] { send(b, account, 1); };
    auto receiver = [&] { recv(b, account); };
    auto rest = [&] {
        at_rest(a, account);
        at_rest(b, account);
    };
    go("select", selecting);
    go("sender", sender);
    go("receiver", receiver);
    run(rest);
    at_end(account, a, b);
}

// Both directions of one channel: it never pairs with itself.
void select_of_both() {
    Channel a(0);
    Account account;
    account.ordered = false;
    auto selecting = [&](int number) {
        Choice choice(account);
        choice.recv(a);
        choice.send(a, number);
        choice.wait();
    };
    auto first = [&] { selecting(0); };
    auto second = [&] { selecting(1); };
    auto rest = [&] { at_rest(a, account); };
    go("select A", first);
    go("select B", second);
    run(rest);
    expect(account.received() == 1, "they have not found one another");
    at_end(account, a);
}

// One that does not wait, beside one that does.
void select_without_waiting() {
    Channel a(0), b(1);
    Account account;
    account.ordered = false;
    auto trying = [&] {
        Choice choice(account);
        choice.send(a, 0);
        choice.recv(b);
        choice.try_together();
    };
    auto waiting = [&] {
        Choice choice(account);
        choice.recv(a);
        choice.send(b, 1);
        choice.wait();
    };
    auto rest = [&] {
        at_rest(a, account);
        at_rest(b, account);
    };
    go("select that tries", trying);
    go("select that waits", waiting);
    run(rest);
    at_end(account, a, b);
}

}  // namespace

extern const Scene kSelect[] = {
    {"two selects", two_selects<0>, {kOrders, kTwo}, {kBuffers}},
    {"two selects, capacity 1", two_selects<1>, {kOrders, kTwo}, {kBuffers}},
    {"select of both directions", select_of_both, {kOrders, kTwo}, {kBuffers}},
    {"select that does not wait", select_without_waiting, {kOrders, kTwo}, {kBuffers}},
    {"select of recvs", select_of_recvs<kUnbounded, kUnbounded>, {kOne}, {kOrders}},
    {"select of recvs, capacity 1", select_of_recvs<1, 1>, {kOne}, {kOrders}},
    {"select of recvs, capacity 0", select_of_recvs<0, 0>, {kOrders}, {kTwo}},
    {"select of recvs, capacity 0 and None", select_of_recvs<0, kUnbounded>, {kOne}, {kOrders}},
    {"select and recv", select_and_recv<kUnbounded>, {kOne}, {kOrders}},
    {"select and recv, capacity 1", select_and_recv<1>, {kOne}, {kOrders}},
    {"select and recv, capacity 0", select_and_recv<0>, {kOne}, {kOrders}},
    {"select of sends, capacity 1", select_of_sends<1, 0>, {kOrders}, {kTwo}},
    {"select of sends, capacity 0", select_of_sends<0, 0>, {kOrders}, {kTwo}},
    {"select gives up", select_gives_up<kUnbounded>, {kOrders}, {kTwo}},
    {"select gives up, capacity 1", select_gives_up<1>, {kOne}, {kOrders}},
    {"select gives up, capacity 0", select_gives_up<0>, {kOne}, {kOrders}},
    {"select is interrupted, capacity 1", select_of_sends<1, 1>, {kOrders}, {kTwo}},
    {"select is interrupted, capacity 0", select_of_sends<0, 1>, {kOrders}, {kTwo}},
};
extern const int kSelectCount = sizeof kSelect / sizeof kSelect[0];

}  // namespace interpchannels::scenes
