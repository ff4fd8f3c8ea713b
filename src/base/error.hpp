#pragma once
#include <stdexcept>
#include <string>

namespace hone {

/// The one exception type of Hone. It says where (`place`), what is wrong (`problem`: expected and got) and
/// what to do (`remedy`, may be empty). `what()` joins them as `place: problem; remedy`.
class Error : public std::runtime_error {
 public:
  Error(std::string place, std::string problem, std::string remedy = {});
  const std::string& place() const { return place_; }
  const std::string& problem() const { return problem_; }
  const std::string& remedy() const { return remedy_; }

 private:
  std::string place_, problem_, remedy_;
};

/// Thrown by long work when the user pressed Ctrl-C (see interrupt.hpp). `remedy` says how to continue, if one can.
class Interrupted : public Error {
 public:
  explicit Interrupted(std::string place, std::string remedy = {});
};

}  // namespace hone
