// The floor: std::mutex, std::deque and two condition variables, as anybody would write it. It knows neither a
// rendezvous nor a select.
#include <condition_variable>
#include <deque>
#include <mutex>

#include "report.hpp"

namespace interpchannels::bench {
namespace {

class MutexDeque {
public:
    static constexpr const char* name = "mutex+deque";
    static constexpr bool selects = false;
    static bool takes(std::int64_t capacity) { return capacity != 0; }

    explicit MutexDeque(std::int64_t capacity) : capacity_(capacity) {}

    class Sender {
    public:
        explicit Sender(MutexDeque& queue) : queue_(queue) {}
        void send(std::uint64_t value) { queue_.put(value); }

    private:
        MutexDeque& queue_;
    };
    class Receiver {
    public:
        explicit Receiver(MutexDeque& queue) : queue_(queue) {}
        std::uint64_t recv() { return queue_.get(); }

    private:
        MutexDeque& queue_;
    };

private:
    bool full() const {
        return capacity_ != kNoLimit && items_.size() >= static_cast<std::size_t>(capacity_);
    }
    void put(std::uint64_t value) {
        bool wake = false;
        {
            std::unique_lock<std::mutex> guard(mutex_);
            ++senders_;
            while (full()) place_.wait(guard);
            --senders_;
            items_.push_back(value);
            wake = receivers_ != 0;
        }
        if (wake) item_.notify_one();
    }
    std::uint64_t get() {
        std::uint64_t value = 0;
        bool wake = false;
        {
            std::unique_lock<std::mutex> guard(mutex_);
            ++receivers_;
            while (items_.empty()) item_.wait(guard);
            --receivers_;
            value = items_.front();
            items_.pop_front();
            wake = senders_ != 0;
        }
        if (wake) place_.notify_one();
        return value;
    }

    const std::int64_t capacity_;
    std::mutex mutex_;  // protects what follows
    std::deque<std::uint64_t> items_;
    int senders_ = 0;  // these two: who waits, for whoever has the mutex
    int receivers_ = 0;
    std::condition_variable item_;
    std::condition_variable place_;
};

}  // namespace
}  // namespace interpchannels::bench

int main(int argc, char** argv) {
    return interpchannels::bench::bench_main<interpchannels::bench::MutexDeque>(argc, argv);
}
