#include <hone/error.hpp>
#include <hone/log.hpp>
#include <hone/version.hpp>

#include "api/access.hpp"
#include "base/log.hpp"

namespace hone::v0 {

namespace {
/// The same sentence as the internal error makes.
std::string sentence(const std::string& place, const std::string& problem, const std::string& remedy) {
  return hone::Error(place, problem, remedy).what();
}
}  // namespace

Error::Error(std::string place, std::string problem, std::string remedy)
    : std::runtime_error(sentence(place, problem, remedy)),
      place_(std::move(place)),
      problem_(std::move(problem)),
      remedy_(std::move(remedy)) {}
Error::Error(const Error&) = default;
Error::~Error() = default;

void set_log_sink(LogSink sink) {
  if (!sink) return hone::set_log_sink({});
  hone::set_log_sink([sink = std::move(sink)](hone::LogLevel level, const std::string& message) {
    sink(static_cast<LogLevel>(level), message);
  });
}
static_assert(static_cast<int>(hone::LogLevel::error) == static_cast<int>(LogLevel::error));

const char* version() noexcept { return HONE_VERSION; }

}  // namespace hone::v0
