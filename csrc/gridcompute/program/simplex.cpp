#include "gridcompute/program/simplex.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "gridcompute/base/error.hpp"

namespace gridcompute::program {

namespace {
constexpr double kInf = std::numeric_limits<double>::infinity();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }
}  // namespace

Simplex::Simplex(Matrix matrix, std::span<const double> cost, std::span<const double> low, std::span<const double> high,
                 std::span<const double> row_low, std::span<const double> row_high, std::span<const std::uint8_t> basic,
                 std::span<const std::uint8_t> upper)
    : n_(static_cast<Index>(cost.size())), m_(matrix.rows), by_column_(std::move(matrix)) {
  const std::size_t all = at(n_ + m_);
  cost_.assign(cost.begin(), cost.end());
  low_.assign(low.begin(), low.end()), high_.assign(high.begin(), high.end());
  cost_.resize(all, 0.0), low_.resize(all), high_.resize(all);
  for (std::size_t i = 0; i < at(m_); ++i) {
    low_[at(n_) + i] = -row_high[i];
    high_[at(n_) + i] = -row_low[i];
  }
  row_begin_.assign(at(m_ + 1), 0);
  for (const std::int32_t r : by_column_.row) ++row_begin_[at(r + 1)];
  for (std::size_t i = 0; i < at(m_); ++i) row_begin_[i + 1] += row_begin_[i];
  row_column_.resize(by_column_.row.size()), row_value_.resize(by_column_.row.size());
  std::vector<std::int32_t> next(row_begin_.begin(), row_begin_.end());
  for (Index j = 0; j < n_; ++j)
    for (std::int32_t k = by_column_.begin[at(j)]; k < by_column_.begin[at(j + 1)]; ++k) {
      const std::size_t to = at(next[at(by_column_.row[at(k)])]++);
      row_column_[to] = static_cast<std::int32_t>(j), row_value_[to] = by_column_.value[at(k)];
    }
  x_.assign(all, 0.0), d_.assign(all, 0.0), y_.assign(at(m_), 0.0);
  head_.assign(at(m_), kNone), where_.assign(all, kNone), upper_.assign(upper.begin(), upper.end());
  work_.assign(at(m_), 0.0), rho_.assign(at(m_), 0.0), line_.assign(at(n_), 0.0);
  for (std::size_t j = 0; j < all; ++j) {
    if (basic[j] != 0) where_[j] = 0;  // factor() says which row
    if (std::isinf(low_[j])) upper_[j] = 1;
    if (std::isinf(high_[j])) upper_[j] = 0;
    if (basic[j] == 0) x_[j] = upper_[j] != 0 ? high_[j] : low_[j];
  }
  if (std::count_if(basic.begin(), basic.end(), [](std::uint8_t b) { return b != 0; }) != m_ || !factor())
    throw Error(ErrorKind::invalid_problem, "basic", -1, "the columns and slacks marked basic are no basis");
  place_basics();
}

void Simplex::set_limits(Index column, double low, double high) {
  low_[at(column)] = low, high_[at(column)] = high;
  if (where_[at(column)] < 0) x_[at(column)] = upper_[at(column)] != 0 ? high : low;
}

void Simplex::push_eta(std::int32_t row) {
  Eta eta{row, work_[at(row)], eta_row_.size(), 0};
  for (std::size_t i = 0; i < at(m_); ++i)
    if (work_[i] != 0.0 && static_cast<std::int32_t>(i) != row) {
      eta_row_.push_back(static_cast<std::int32_t>(i));
      eta_value_.push_back(work_[i]);
    }
  eta.end = eta_row_.size();
  etas_.push_back(eta);
}

void Simplex::forward(std::vector<double>& x) const {
  for (const Eta& eta : etas_) {
    double& at_pivot = x[at(eta.row)];
    if (at_pivot == 0.0) continue;
    const double v = at_pivot / eta.pivot;
    at_pivot = v;
    for (std::size_t k = eta.begin; k < eta.end; ++k) x[at(eta_row_[k])] -= v * eta_value_[k];
  }
}

void Simplex::backward(std::vector<double>& y) const {
  for (std::size_t e = etas_.size(); e-- > 0;) {
    const Eta& eta = etas_[e];
    double v = y[at(eta.row)];
    for (std::size_t k = eta.begin; k < eta.end; ++k) v -= eta_value_[k] * y[at(eta_row_[k])];
    y[at(eta.row)] = v / eta.pivot;
  }
}

void Simplex::load_column(std::int32_t variable) {
  std::fill(work_.begin(), work_.end(), 0.0);
  if (variable >= n_) {
    work_[at(variable - n_)] = 1.0;
  } else {
    for (std::int32_t k = by_column_.begin[at(variable)]; k < by_column_.begin[at(variable + 1)]; ++k)
      work_[at(by_column_.row[at(k)])] = by_column_.value[at(k)];
  }
  forward(work_);
}

// Pivots on rows and columns with one entry left as long as there are any, then on the shortest column left.
bool Simplex::factor() {
  etas_.clear(), eta_row_.clear(), eta_value_.clear();
  std::vector<std::int32_t> in_row(at(m_), 0), in_column(at(n_), 0), left, singles;
  std::vector<std::uint8_t> active(at(m_), 1), waiting(at(n_), 0);
  for (Index i = 0; i < m_; ++i)
    if (where_[at(n_ + i)] >= 0) {
      active[at(i)] = 0;
      where_[at(n_ + i)] = static_cast<std::int32_t>(i);
      head_[at(i)] = static_cast<std::int32_t>(n_ + i);
    }
  for (Index j = 0; j < n_; ++j) {
    if (where_[at(j)] < 0) continue;
    waiting[at(j)] = 1;
    left.push_back(static_cast<std::int32_t>(j));
    for (std::int32_t k = by_column_.begin[at(j)]; k < by_column_.begin[at(j + 1)]; ++k)
      if (active[at(by_column_.row[at(k)])] != 0) ++in_row[at(by_column_.row[at(k)])], ++in_column[at(j)];
  }
  // Rows stand in `singles` as they are, columns as -1 - column.
  for (Index i = 0; i < m_; ++i)
    if (active[at(i)] != 0 && in_row[at(i)] == 1) singles.push_back(static_cast<std::int32_t>(i));
  for (const std::int32_t j : left)
    if (in_column[at(j)] == 1) singles.push_back(-1 - j);
  // Column j in row r, or in its largest entry left where r's has been filled away to next to nothing.
  const auto pivot = [&](std::int32_t j, std::int32_t r) {
    load_column(j);
    double most = 0.0;
    std::int32_t largest = kNone;
    for (Index i = 0; i < m_; ++i)
      if (active[at(i)] != 0 && std::abs(work_[at(i)]) > most)
        most = std::abs(work_[at(i)]), largest = static_cast<std::int32_t>(i);
    if (!(most > kPivot)) return false;
    if (r < 0 || std::abs(work_[at(r)]) < kSmall * most) r = largest;
    head_[at(r)] = j, where_[at(j)] = r;
    push_eta(r);
    waiting[at(j)] = 0, active[at(r)] = 0;
    for (std::int32_t k = by_column_.begin[at(j)]; k < by_column_.begin[at(j + 1)]; ++k)
      if (const std::int32_t i = by_column_.row[at(k)]; active[at(i)] != 0 && --in_row[at(i)] == 1)
        singles.push_back(i);
    for (std::int32_t k = row_begin_[at(r)]; k < row_begin_[at(r + 1)]; ++k)
      if (const std::int32_t o = row_column_[at(k)]; waiting[at(o)] != 0 && --in_column[at(o)] == 1)
        singles.push_back(-1 - o);
    return true;
  };
  const auto single = [&](std::int32_t s) {
    std::int32_t j = -1 - s, r = s;
    if (s >= 0) {
      if (active[at(r)] == 0 || in_row[at(r)] != 1) return true;
      for (std::int32_t k = row_begin_[at(r)]; k < row_begin_[at(r + 1)]; ++k)
        if (waiting[at(row_column_[at(k)])] != 0) j = row_column_[at(k)];
    } else {
      if (waiting[at(j)] == 0 || in_column[at(j)] != 1) return true;
      for (std::int32_t k = by_column_.begin[at(j)]; k < by_column_.begin[at(j + 1)]; ++k)
        if (active[at(by_column_.row[at(k)])] != 0) r = by_column_.row[at(k)];
    }
    return pivot(j, r);
  };
  for (;;) {
    while (!singles.empty()) {
      const std::int32_t s = singles.back();
      singles.pop_back();
      if (!single(s)) return false;
    }
    std::erase_if(left, [&](std::int32_t j) { return waiting[at(j)] == 0; });
    if (left.empty()) break;
    const std::int32_t j = *std::min_element(left.begin(), left.end(), [&](std::int32_t a, std::int32_t b) {
      return std::pair(in_column[at(a)], a) < std::pair(in_column[at(b)], b);
    });
    if (!pivot(j, kNone)) return false;
  }
  fresh_ = etas_.size();
  return true;
}

void Simplex::place_basics() {
  std::fill(work_.begin(), work_.end(), 0.0);
  for (Index j = 0; j < n_; ++j) {
    const double v = x_[at(j)];
    if (where_[at(j)] >= 0 || v == 0.0) continue;
    for (std::int32_t k = by_column_.begin[at(j)]; k < by_column_.begin[at(j + 1)]; ++k)
      work_[at(by_column_.row[at(k)])] -= v * by_column_.value[at(k)];
  }
  for (Index i = 0; i < m_; ++i)
    if (where_[at(n_ + i)] < 0) work_[at(i)] -= x_[at(n_ + i)];
  forward(work_);
  for (std::size_t i = 0; i < at(m_); ++i) x_[at(head_[i])] = work_[i];
}

void Simplex::price() {
  for (std::size_t i = 0; i < at(m_); ++i) y_[i] = cost_[at(head_[i])];
  backward(y_);
  for (Index j = 0; j < n_; ++j) {
    double d = cost_[at(j)];
    for (std::int32_t k = by_column_.begin[at(j)]; k < by_column_.begin[at(j + 1)]; ++k)
      d -= y_[at(by_column_.row[at(k)])] * by_column_.value[at(k)];
    d_[at(j)] = d;
  }
  for (Index i = 0; i < m_; ++i) d_[at(n_ + i)] = -y_[at(i)];
}

void Simplex::find_line(std::int32_t p) {
  std::fill(rho_.begin(), rho_.end(), 0.0);
  std::fill(line_.begin(), line_.end(), 0.0);
  rho_[at(p)] = 1.0;
  backward(rho_);
  for (std::size_t i = 0; i < at(m_); ++i) {
    const double rho = rho_[i];
    if (rho == 0.0) continue;
    for (std::int32_t k = row_begin_[i]; k < row_begin_[i + 1]; ++k)
      line_[at(row_column_[at(k)])] += rho * row_value_[at(k)];
  }
}

// work_ holds the entering column, line_ and rho_ the leaving row.
bool Simplex::step(std::int32_t entering, std::int32_t p, double leaving_value, double move) {
  const std::int32_t leaving = head_[at(p)];
  const double theta = d_[at(entering)] / work_[at(p)];
  for (Index j = 0; j < n_; ++j) d_[at(j)] -= theta * line_[at(j)];
  for (std::size_t i = 0; i < at(m_); ++i) {
    y_[i] += theta * rho_[i];
    d_[at(n_) + i] = -y_[i];
    x_[at(head_[i])] -= move * work_[i];
  }
  x_[at(entering)] += move;
  x_[at(leaving)] = leaving_value;
  d_[at(entering)] = 0.0, d_[at(leaving)] = -theta;
  where_[at(leaving)] = kNone, where_[at(entering)] = p, head_[at(p)] = entering;
  push_eta(p);
  ++steps_;
  if (etas_.size() - fresh_ <= kRefresh) return true;
  if (!factor()) return false;
  place_basics(), price();
  return true;
}

std::int32_t Simplex::most_wrong() const {
  double most = kDual;
  std::int32_t found = kNone;
  for (std::size_t j = 0; j < d_.size(); ++j) {
    const double wrong = upper_[j] != 0 ? d_[j] : -d_[j];
    if (wrong > most && where_[j] < 0 && low_[j] < high_[j]) most = wrong, found = static_cast<std::int32_t>(j);
  }
  return found;
}

bool Simplex::primal() {
  price();
  const Index last = steps_ + 20 * (m_ + n_) + 200;
  for (bool fresh = true;; fresh = false) {
    const std::int32_t q = most_wrong();
    if (q < 0) {
      if (fresh) return true;
      price();  // the end is only believed of reduced costs that were not carried along
      fresh = true;
      if (most_wrong() < 0) return true;
      continue;
    }
    if (steps_ >= last) return false;
    load_column(q);
    const double way = upper_[at(q)] != 0 ? -1.0 : 1.0;
    double reach = kInf;
    for (std::size_t i = 0; i < at(m_); ++i) {
      const double a = way * work_[i];
      const std::size_t b = at(head_[i]);
      if (a > kPivot) reach = std::min(reach, (x_[b] - low_[b] + kPrimal) / a);
      if (a < -kPivot) reach = std::min(reach, (high_[b] - x_[b] + kPrimal) / -a);
    }
    std::int32_t p = kNone;
    double best = 0.0, move = 0.0;
    for (std::size_t i = 0; i < at(m_); ++i) {
      const double a = way * work_[i];
      if (std::abs(a) <= std::max(best, kPivot)) continue;
      const std::size_t b = at(head_[i]);
      const double ratio = a > 0 ? (x_[b] - low_[b]) / a : (high_[b] - x_[b]) / -a;
      if (ratio <= reach) best = std::abs(a), p = static_cast<std::int32_t>(i), move = std::max(ratio, 0.0);
    }
    const double range = high_[at(q)] - low_[at(q)];
    if (p < 0 && std::isinf(range)) return false;
    if (p < 0 || range <= move) {
      for (std::size_t i = 0; i < at(m_); ++i) x_[at(head_[i])] -= way * range * work_[i];
      upper_[at(q)] ^= 1;
      x_[at(q)] = upper_[at(q)] != 0 ? high_[at(q)] : low_[at(q)];
      ++steps_;
      continue;
    }
    const std::size_t leaving = at(head_[at(p)]);
    upper_[leaving] = way * work_[at(p)] > 0 ? 0 : 1;
    find_line(p);
    if (!step(q, p, upper_[leaving] != 0 ? high_[leaving] : low_[leaving], way * move)) return false;
  }
}

bool Simplex::dual() {
  price();
  for (std::size_t j = 0; j < d_.size(); ++j) {
    if (where_[j] >= 0 || !((upper_[j] != 0 ? d_[j] : -d_[j]) > kDual) || low_[j] == high_[j]) continue;
    const double other = upper_[j] != 0 ? low_[j] : high_[j];
    if (std::isinf(other)) return false;
    upper_[j] ^= 1, x_[j] = other;
  }
  place_basics();
  const Index last = steps_ + 20 * (m_ + n_) + 200;
  while (steps_ < last) {
    std::int32_t p = kNone;
    double most = kPrimal;
    for (std::size_t i = 0; i < at(m_); ++i) {
      const std::size_t b = at(head_[i]);
      const double off = std::max(low_[b] - x_[b], x_[b] - high_[b]);
      if (off > most) most = off, p = static_cast<std::int32_t>(i);
    }
    if (p < 0) return true;
    const std::size_t leaving = at(head_[at(p)]);
    const double target = x_[leaving] < low_[leaving] ? low_[leaving] : high_[leaving];
    const double sign = x_[leaving] < low_[leaving] ? 1.0 : -1.0;
    find_line(p);
    // Entries that let the leaving variable move the right way: negative at a lower limit, positive at an upper one.
    const auto entry = [&](std::size_t j) {
      if (where_[j] >= 0 || low_[j] == high_[j]) return 0.0;
      const double a = sign * (j < at(n_) ? line_[j] : rho_[j - at(n_)]);
      return std::max(upper_[j] != 0 ? a : -a, 0.0);
    };
    double reach = kInf;
    for (std::size_t j = 0; j < d_.size(); ++j)
      if (const double a = entry(j); a > kPivot) reach = std::min(reach, (std::abs(d_[j]) + kDual) / a);
    std::int32_t q = kNone;
    double best = kPivot;
    for (std::size_t j = 0; j < d_.size(); ++j)
      if (const double a = entry(j); a > best && std::abs(d_[j]) <= reach * a)
        best = a, q = static_cast<std::int32_t>(j);
    if (q < 0) return false;
    load_column(q);
    if (std::abs(work_[at(p)]) <= kPivot) return false;
    upper_[leaving] = sign > 0 ? 0 : 1;
    if (!step(q, p, target, (x_[leaving] - target) / work_[at(p)])) return false;
  }
  return false;
}

bool Simplex::holds() const {
  for (std::size_t i = 0; i < at(m_); ++i)
    if (where_[at(head_[i])] != static_cast<std::int32_t>(i)) return false;
  Index basics = 0;
  for (std::size_t j = 0; j < x_.size(); ++j) {
    basics += where_[j] >= 0 ? 1 : 0;
    if (where_[j] < 0 && x_[j] != (upper_[j] != 0 ? high_[j] : low_[j])) return false;
  }
  return basics == m_;
}

}  // namespace gridcompute::program
