// What the tests of select share.
#pragma once

#include <optional>

#include "channel/select.hpp"
#include "engine_support.hpp"

namespace interpchannels::testing {

// A select as a caller makes it: what it sends, and what it received.
class Selecting {
public:
    Selecting& recv(Channel& channel) { return add(channel, nullptr); }
    Selecting& send(Channel& channel, std::uint64_t value) {
        messages_.emplace_back(value);
        return add(channel, &messages_.back().parcel);
    }
    Selecting& cancelled_by(const std::atomic<bool>& flag) {
        ops_.back().cancelled = &flag;
        return *this;
    }
    Status try_once() {
        make();
        for (;;) {
            const Status status = select_->try_once();
            if (status == Status::kContended) continue;
            if (status != Status::kOkOwing) return status;
            ops_[select_->index()].channel->settle();
            return Status::kOk;
        }
    }
    // As a call with timeout 0 does it: "nothing" is said of one moment.
    Status now_or_never() {
        Status status = try_once();
        if (status != Status::kWouldBlock) return status;
        while ((status = select_->try_together()) == Status::kContended) std::this_thread::yield();
        if (status != Status::kOkOwing) return status;
        ops_[select_->index()].channel->settle();
        return Status::kOk;
    }
    Status wait(const WaitFor& wait = {}) {
        make();
        return select_->wait(wait);
    }
    bool withdraw() { return select_->withdraw(); }
    std::size_t index() const { return select_->index(); }
    std::uint64_t value() const { return value_of(out_); }
    std::uint64_t kept(std::size_t message) const { return value_of(messages_[message].parcel); }

private:
    Selecting& add(Channel& channel, Parcel* parcel) {
        SelectOp op;
        op.channel = &channel;
        op.parcel = parcel;
        ops_.push_back(op);
        return *this;
    }
    void make() {
        static std::atomic<std::uint64_t> seed{1};
        if (!select_) {
            select_.emplace(ops_.data(), ops_.size(), 1, out_, scratch_,
                            seed.fetch_add(0x9E3779B97F4A7C15ULL));
        }
    }
    std::deque<Message> messages_;
    std::vector<SelectOp> ops_;
    Parcel out_;
    Scratch scratch_;
    std::optional<Select> select_;
};

// A select in a thread of its own.
class BlockedSelect {
public:
    explicit BlockedSelect(Selecting& select, WaitFor wait = {})
        : thread_([this, &select, wait] {
              status_ = select.wait(wait);
              done_.store(true);
          }) {}
    ~BlockedSelect() { join(); }
    Status join() {
        if (thread_.joinable()) thread_.join();
        return status_;
    }
    bool done() const { return done_.load(); }

private:
    Status status_ = Status::kWouldBlock;
    std::atomic<bool> done_{false};
    std::thread thread_;
};

}  // namespace interpchannels::testing
