// The engine alone: the calls that the package makes for an int, without Python.
//
// A send tries first, and where there is no place waits as an Offer; a receive tries, then waits; so does a select.
// What is left out of module/blocking.cpp is what has to do with an interpreter: the attached spin and the signals.
#include <cstring>

#include "channel/channel.hpp"
#include "channel/offer.hpp"
#include "channel/select.hpp"
#include "report.hpp"

namespace interpchannels::bench {
namespace {

constexpr std::int64_t kSender = 1;

[[noreturn]] void give_up(const char* what, Status status) {
    std::fprintf(stderr, "%s ended with status %d\n", what, static_cast<int>(status));
    std::exit(1);
}

// The value lies in its sender's memory, as what the encoder makes does.
void point_to(Parcel& parcel, const std::uint64_t& value) {
    parcel.data = reinterpret_cast<const std::byte*>(&value);
    parcel.size = sizeof value;
}

std::uint64_t value_of(const Parcel& parcel) {
    std::uint64_t value;
    std::memcpy(&value, parcel.data, sizeof value);
    return value;
}

class Engine {
public:
    static constexpr const char* name = "interpchannels";
    static constexpr bool selects = true;
    static bool takes(std::int64_t) { return true; }

    explicit Engine(std::int64_t capacity) : channel_(Ref<Channel>::adopt(new Channel(capacity))) {}

    class Sender {
    public:
        explicit Sender(Engine& engine) : channel_(*engine.channel_) {}
        void send(std::uint64_t value) {
            Status status = channel_.try_send_short(reinterpret_cast<const std::byte*>(&value),
                                                    sizeof value, 0, kSender);
            if (status == Status::kOk) return;
            Parcel parcel;
            point_to(parcel, value);
            if (status == Status::kContended) status = channel_.try_send(parcel, kSender);
            if (status == Status::kOk) return;
            if (status == Status::kOkOwing) return channel_.settle();
            if (status == Status::kWouldBlock || status == Status::kContended) {
                Offer offer(channel_, parcel, kSender, false);
                status = offer.wait({});
            }
            if (status != Status::kOk) give_up("a send", status);
        }

    private:
        Channel& channel_;
    };

    class Receiver {
    public:
        explicit Receiver(Engine& engine) : channel_(*engine.channel_) {}
        std::uint64_t recv() {
            Parcel parcel;
            ShortItem item;
            if (channel_.try_recv_short(item) == Status::kOk) {
                parcel.data = item.bytes;
                return value_of(parcel);
            }
            Status status = channel_.try_recv(parcel, scratch_);
            if (status == Status::kOkOwing) {
                channel_.settle();
            } else if (status != Status::kOk) {
                if (status == Status::kWouldBlock || status == Status::kContended) {
                    status = channel_.recv(parcel, scratch_, {});
                }
                if (status != Status::kOk) give_up("a receive", status);
            }
            return value_of(parcel);
        }

    private:
        Channel& channel_;
        Scratch scratch_;
    };

    // One select over all channels; the two below say what it does there.
    class Selecting {
    protected:
        explicit Selecting(const std::vector<Engine*>& all) : ops_(all.size()) {
            for (std::size_t i = 0; i < all.size(); ++i) ops_[i].channel = all[i]->channel_.get();
        }
        void select(Parcel& out) {
            Select select(ops_.data(), ops_.size(), kSender, out, scratch_, seed_ += 2);
            Status status = select.try_once();
            if (status == Status::kOkOwing) return ops_[select.index()].channel->settle();
            if (status == Status::kWouldBlock || status == Status::kContended) status = select.wait({});
            if (status != Status::kOk) give_up("a select", status);
        }
        std::vector<SelectOp> ops_;

    private:
        Scratch scratch_;
        std::uint64_t seed_ = 1;
    };

    class SelectSender : Selecting {
    public:
        explicit SelectSender(const std::vector<Engine*>& all) : Selecting(all), parcels_(all.size()) {
            for (std::size_t i = 0; i < all.size(); ++i) ops_[i].parcel = &parcels_[i];
        }
        void send(std::uint64_t value) {
            for (Parcel& parcel : parcels_) point_to(parcel, value);
            Parcel nothing;
            select(nothing);
        }

    private:
        std::vector<Parcel> parcels_;
    };

    class SelectReceiver : Selecting {
    public:
        explicit SelectReceiver(const std::vector<Engine*>& all) : Selecting(all) {}
        std::uint64_t recv() {
            Parcel parcel;
            select(parcel);
            return value_of(parcel);
        }
    };

private:
    Ref<Channel> channel_;
};

}  // namespace
}  // namespace interpchannels::bench

int main(int argc, char** argv) {
    return interpchannels::bench::bench_main<interpchannels::bench::Engine>(argc, argv);
}
