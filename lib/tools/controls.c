// SPDX-License-Identifier: MIT
/* ndma controls: a source's settings. */
#include <math.h>
#include <stdlib.h>

#include "tools.h"

/* "sine ramp square": the values that a menu has. */
static void print_menu(const struct ndma_source *source, const struct ndma_control_info *info)
{
	char name[NDMA_NAME_MAX];
	int64_t i;

	for (i = info->min; i <= info->max; i++)
		if (!ndma_control_menu(source, info->id, (uint32_t)i, name))
			printf(" %s", name);
	putchar('\n');
}

static int print_control(const struct ndma_source *source, const struct ndma_control_info *info)
{
	double unit = pow(10, info->exponent);
	char name[NDMA_NAME_MAX];
	int64_t value;

	if (info->type == NDMA_CONTROL_BUTTON) {
		printf("%-20s a button\n", info->name);
		return EXIT_SUCCESS;
	}
	if (ndma_control_get(source, info->id, &value))
		return complain();
	if (info->type == NDMA_CONTROL_MENU) {
		if (ndma_control_menu(source, info->id, (uint32_t)value, name))
			return complain();
		printf("%-20s %-12s one of:", info->name, name);
		print_menu(source, info);
	} else if (info->type == NDMA_CONTROL_BOOLEAN) {
		printf("%-20s %-12s 0 or 1\n", info->name, value ? "1" : "0");
	} else {
		printf("%-20s %-12.10g %.10g to %.10g in steps of %g %s\n", info->name,
		       (double)value * unit, (double)info->min * unit, (double)info->max * unit,
		       (double)info->step * unit, info->unit);
	}
	return EXIT_SUCCESS;
}

static void add_menu(struct json *json, const struct ndma_source *source,
		     const struct ndma_control_info *info)
{
	char name[NDMA_NAME_MAX];
	int64_t i;

	json_open(json, "choices", '[');
	for (i = info->min; i <= info->max; i++)
		if (!ndma_control_menu(source, info->id, (uint32_t)i, name))
			json_string(json, NULL, name);
	json_close(json, ']');
}

/* In the control's unit, as an integer where that is exact; a menu's value is its word. */
static int add_value(struct json *json, const struct ndma_source *source,
		     const struct ndma_control_info *info)
{
	double unit = pow(10, info->exponent);
	char name[NDMA_NAME_MAX];
	int64_t value;

	if (ndma_control_get(source, info->id, &value))
		return complain();
	if (info->type == NDMA_CONTROL_MENU) {
		if (ndma_control_menu(source, info->id, (uint32_t)value, name))
			return complain();
		json_string(json, "value", name);
		add_menu(json, source, info);
	} else if (info->type == NDMA_CONTROL_BOOLEAN) {
		json_bool(json, "value", value);
	} else if (info->exponent) {
		json_number(json, "value", (double)value * unit);
		json_number(json, "min", (double)info->min * unit);
		json_number(json, "max", (double)info->max * unit);
		json_number(json, "step", (double)info->step * unit);
	} else {
		json_integer(json, "value", value);
		json_integer(json, "min", info->min);
		json_integer(json, "max", info->max);
		json_integer(json, "step", (int64_t)info->step);
	}
	return EXIT_SUCCESS;
}

static int add_control(struct json *json, const struct ndma_source *source,
		       const struct ndma_control_info *info)
{
	int status = EXIT_SUCCESS;

	json_open(json, NULL, '{');
	json_string(json, "name", info->name);
	json_string(json, "type",
		    info->type == NDMA_CONTROL_BUTTON    ? "button"
		    : info->type == NDMA_CONTROL_MENU    ? "menu"
		    : info->type == NDMA_CONTROL_BOOLEAN ? "boolean"
							 : "integer");
	json_string(json, "unit", info->unit);
	if (info->type != NDMA_CONTROL_BUTTON)
		status = add_value(json, source, info);
	json_close(json, '}');
	return status;
}

static int add(const struct ndma_source *source)
{
	struct ndma_control_info info = { 0 };
	struct json json = { 0 };
	int status = EXIT_SUCCESS;
	int rc;

	json_open(&json, NULL, '[');
	while ((rc = ndma_control_next(source, info.id, &info)) > 0)
		status |= add_control(&json, source, &info);
	json_close(&json, ']');
	return rc < 0 ? complain() : status;
}

static int show(const struct ndma_source *source)
{
	struct ndma_control_info info = { 0 };
	int status = EXIT_SUCCESS;
	int rc;

	while ((rc = ndma_control_next(source, info.id, &info)) > 0)
		status |= print_control(source, &info);
	return rc < 0 ? complain() : status;
}

int controls(const struct ndma_source *source, bool as_json)
{
	return as_json ? add(source) : show(source);
}
