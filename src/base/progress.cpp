#include "base/progress.hpp"

namespace hone {

namespace {
class NoProgress : public Progress {
  void begin(const std::string&, int64_t) override {}
  void update(int64_t, const std::string&) override {}
  void end(const std::string&) override {}
};
}  // namespace

Progress& no_progress() {
  static NoProgress silent;
  return silent;
}

}  // namespace hone
