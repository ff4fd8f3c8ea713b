#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "graph/ops/math/einsum/einsum.hpp"

namespace hone::ops {

namespace {

/// One side of a comma: its letters, and where the ellipsis stands among them (-1: nowhere).
struct Term {
  std::string letters;
  int ellipsis = -1;
};

struct Equation {
  const std::string& place;
  const std::string& text;

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(place, fmt::format("equation '{}' {}", text, problem));
  }

  Term term(std::string_view part) const {
    Term result;
    for (size_t i = 0; i < part.size(); ++i) {
      char c = part[i];
      bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (letter) {
        result.letters += c;
      } else if (part.substr(i, 3) == "...") {
        if (result.ellipsis >= 0) fail("has two ellipses in one term");
        result.ellipsis = static_cast<int>(result.letters.size());
        i += 2;
      } else if (c != ' ') {
        fail(fmt::format("has '{}', expected letters, '...', ',' and one '->'", c));
      }
    }
    return result;
  }

  std::vector<Term> terms(std::string_view side) const {
    std::vector<Term> result;
    while (true) {
      size_t comma = side.find(',');
      result.push_back(term(side.substr(0, comma)));
      if (comma == std::string_view::npos) return result;
      side.remove_prefix(comma + 1);
    }
  }
};

/// The output that an equation without '->' means.
Term implicit_output(const std::vector<Term>& inputs) {
  std::string all;
  Term output;
  for (const Term& term : inputs) {
    all += term.letters;
    if (term.ellipsis >= 0) output.ellipsis = 0;
  }
  std::sort(all.begin(), all.end());
  for (char letter : all)
    if (std::count(all.begin(), all.end(), letter) == 1) output.letters += letter;
  return output;
}

}  // namespace

EinsumLabels parse_equation(const std::string& place, const std::string& text, const std::vector<int>& ranks) {
  Equation equation{place, text};
  std::string_view left = text, right;
  size_t arrow = text.find("->");
  if (arrow != std::string::npos) {
    right = left.substr(arrow + 2);
    left = left.substr(0, arrow);
  }
  std::vector<Term> terms = equation.terms(left);
  if (terms.size() != ranks.size())
    equation.fail(fmt::format("has {} terms, but there are {} inputs", terms.size(), ranks.size()));

  int hidden = 0;  // axes that the longest ellipsis stands for
  for (size_t i = 0; i < terms.size(); ++i) {
    int letters = static_cast<int>(terms[i].letters.size());
    if (terms[i].ellipsis < 0 ? letters != ranks[i] : letters > ranks[i])
      equation.fail(fmt::format("names {} axes of input {}, which has {}", letters, i, ranks[i]));
    if (terms[i].ellipsis >= 0) hidden = std::max(hidden, ranks[i] - letters);
  }

  // Labels 0 to hidden - 1 are the axes behind the ellipsis, aligned at its right end; letters follow.
  EinsumLabels result;
  std::string known;
  auto number = [&](const Term& term, int axes) {
    std::vector<int> labels;
    for (int i = 0; i <= static_cast<int>(term.letters.size()); ++i) {
      if (i == term.ellipsis)
        for (int axis = hidden - axes; axis < hidden; ++axis) labels.push_back(axis);
      if (i < static_cast<int>(term.letters.size()))
        labels.push_back(hidden + static_cast<int>(known.find(term.letters[static_cast<size_t>(i)])));
    }
    return labels;
  };
  for (const Term& term : terms)
    for (char letter : term.letters)
      if (known.find(letter) == std::string::npos) known += letter;
  for (size_t i = 0; i < terms.size(); ++i)
    result.inputs.push_back(number(terms[i], ranks[i] - static_cast<int>(terms[i].letters.size())));

  Term output = arrow == std::string::npos ? implicit_output(terms) : equation.term(right);
  for (char letter : output.letters) {
    if (known.find(letter) == std::string::npos)
      equation.fail(fmt::format("has output '{}', which no input names", letter));
    if (std::count(output.letters.begin(), output.letters.end(), letter) > 1)
      equation.fail(fmt::format("names output '{}' twice", letter));
  }
  if (output.ellipsis < 0 && hidden > 0) equation.fail("has no '...' in its output, but an input has axes behind it");
  result.output = number(output, hidden);
  result.count = hidden + static_cast<int>(known.size());
  return result;
}

}  // namespace hone::ops
