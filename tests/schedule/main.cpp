// The scenes, each searched within its bounds: `schedule [--list | --more | --check] [NAME…]`.
#include <chrono>
#include <cstdio>
#include <cstring>

#include "schedule/scenes.hpp"

namespace interpchannels::scenes {
extern const Scene kWaiting[];
extern const int kWaitingCount;
extern const Scene kSelect[];
extern const int kSelectCount;
extern const Scene kMemory[];
extern const int kMemoryCount;
void check_scheduler();
void check_search(const Scene& scene);
}  // namespace interpchannels::scenes

namespace {

void search(const interpchannels::scenes::Scene& scene, const interpchannels::scenes::Search& how) {
    if (!how.name) return;
    const auto began = std::chrono::steady_clock::now();
    const schedule::Result result = schedule::explore(scene.play, how.bounds);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf("%-37s %-23s %10llu plays %12llu points %6.1f s\n", scene.name, how.name,
                static_cast<unsigned long long>(result.plays),
                static_cast<unsigned long long>(result.points), took.count());
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    using namespace interpchannels::scenes;
    bool more = false;
    bool list = false;
    bool check = false;
    int names = 0;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--more") == 0) {
            more = true;
        } else if (std::strcmp(argv[i], "--list") == 0) {
            list = true;
        } else if (std::strcmp(argv[i], "--check") == 0) {
            check = true;
        } else {
            argv[++names] = argv[i];
        }
    }
    struct {
        const Scene* first;
        int count;
    } const all[] = {{kWaiting, kWaitingCount}, {kSelect, kSelectCount}, {kMemory, kMemoryCount}};
    int played = 0;
    if (check) check_scheduler();
    for (const auto& some : all) {
        for (int i = 0; i < some.count; ++i) {
            const Scene& scene = some.first[i];
            bool wanted = names == 0;
            for (int k = 1; k <= names; ++k) wanted = wanted || std::strcmp(argv[k], scene.name) == 0;
            if (!wanted) continue;
            ++played;
            if (list) {
                std::printf("%s\n", scene.name);
                continue;
            }
            if (check) {
                check_search(scene);
                continue;
            }
            for (const Search& one : scene.searches) search(scene, one);
            for (const Search& one : scene.more) {
                if (more) search(scene, one);
            }
        }
    }
    if (played == 0) std::fprintf(stderr, "schedule: no such scene\n");
    return played == 0;
}
