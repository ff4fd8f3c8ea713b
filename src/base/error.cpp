#include "base/error.hpp"

namespace hone {

namespace {
std::string join(const std::string& place, const std::string& problem, const std::string& remedy) {
  std::string text = place.empty() ? problem : place + ": " + problem;
  if (!remedy.empty()) text += "; " + remedy;
  return text;
}
}  // namespace

Error::Error(std::string place, std::string problem, std::string remedy)
    : std::runtime_error(join(place, problem, remedy)),
      place_(std::move(place)),
      problem_(std::move(problem)),
      remedy_(std::move(remedy)) {}

Interrupted::Interrupted(std::string place, std::string remedy)
    : Error(std::move(place), "interrupted", std::move(remedy)) {}

}  // namespace hone
