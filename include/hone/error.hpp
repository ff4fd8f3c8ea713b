#pragma once
#include <stdexcept>
#include <string>

#include <hone/export.hpp>

HONE_NAMESPACE_BEGIN

/// The one exception type of the library. It says where (`place`: a file, a node, an input), what is wrong (`problem`:
/// expected and got) and what to do (`remedy`, may be empty). what() joins them: "place: problem; remedy".
class HONE_API Error : public std::runtime_error {
 public:
  Error(std::string place, std::string problem, std::string remedy = {});
  Error(const Error&);
  ~Error() override;
  const std::string& place() const noexcept { return place_; }
  const std::string& problem() const noexcept { return problem_; }
  const std::string& remedy() const noexcept { return remedy_; }

 private:
  std::string place_, problem_, remedy_;
};

HONE_NAMESPACE_END
