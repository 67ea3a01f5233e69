#include <algorithm>
#include <string>

#include "common.hpp"
#include "gridcompute/program/blocks.hpp"

namespace gridcompute::bindings {

namespace {

using program::Blocks;
using program::Matrix;

void need(bool right, const char* name, const char* what) {
  if (!right) throw Error(ErrorKind::invalid_problem, name, -1, std::string(name) + " " + what);
}

std::unique_ptr<Blocks> blocks(const Array<std::int32_t>& begin, const Array<std::int32_t>& row,
                               const Array<double>& value, const Array<double>& cost, const Array<double>& low,
                               const Array<double>& high, const Array<double>& row_low, const Array<double>& row_high,
                               const Array<std::uint8_t>& basic, const Array<std::uint8_t>& upper) {
  const py::ssize_t n = cost.size(), m = row_low.size();
  need(low.size() == n && high.size() == n, "low", "and high must have one entry a column");
  need(row_high.size() == m, "row_high", "must have one entry a row");
  need(basic.size() == n + m && upper.size() == n + m, "basic", "and upper must have one entry a column and row");
  need(begin.size() == n + 1 && row.size() == value.size(), "begin", "must have one entry a column and one more");
  Matrix matrix;
  matrix.rows = m;
  matrix.begin.assign(view(begin).begin(), view(begin).end());
  matrix.row.assign(view(row).begin(), view(row).end());
  matrix.value.assign(view(value).begin(), view(value).end());
  need(matrix.begin.front() == 0 && matrix.begin.back() == row.size() &&
           std::is_sorted(matrix.begin.begin(), matrix.begin.end()),
       "begin", "must rise from 0 to the number of entries");
  for (const std::int32_t r : matrix.row) need(r >= 0 && r < m, "row", "lies outside the rows");
  return std::make_unique<Blocks>(matrix, view(cost), view(low), view(high), view(row_low), view(row_high), view(basic),
                                  view(upper));
}

void check_columns(const Blocks& b, const Array<std::int32_t>& columns, py::ssize_t entries) {
  need(columns.size() == entries, "columns", "must have one entry a new number");
  for (const std::int32_t j : view(columns)) need(j >= 0 && j < b.columns(), "columns", "lie outside the program");
}

}  // namespace

void bind_program(py::module_& m) {
  py::class_<Blocks>(m, "Blocks")
      .def(py::init(&blocks), py::arg("begin").noconvert(), py::arg("row").noconvert(), py::arg("value").noconvert(),
           py::arg("cost").noconvert(), py::arg("low").noconvert(), py::arg("high").noconvert(),
           py::arg("row_low").noconvert(), py::arg("row_high").noconvert(), py::arg("basic").noconvert(),
           py::arg("upper").noconvert())
      .def(
          "set_costs",
          [](Blocks& b, const Array<std::int32_t>& columns, const Array<double>& cost) {
            check_columns(b, columns, cost.size());
            const py::gil_scoped_release release;
            return b.set_costs(view(columns), view(cost));
          },
          py::arg("columns").noconvert(), py::arg("cost").noconvert())
      .def(
          "set_limits",
          [](Blocks& b, const Array<std::int32_t>& columns, const Array<double>& low, const Array<double>& high) {
            check_columns(b, columns, low.size());
            need(low.size() == high.size(), "high", "must have as many entries as low");
            const py::gil_scoped_release release;
            return b.set_limits(view(columns), view(low), view(high));
          },
          py::arg("columns").noconvert(), py::arg("low").noconvert(), py::arg("high").noconvert())
      .def("values",
           [](const Blocks& b) {
             Array<double> out(b.columns());
             b.values(fill(out));
             return out;
           })
      .def("row_duals",
           [](const Blocks& b) {
             Array<double> out(b.rows());
             b.row_duals(fill(out));
             return out;
           })
      .def_property_readonly("steps", &Blocks::steps)
      .def_property_readonly("count", &Blocks::count);
}

}  // namespace gridcompute::bindings
