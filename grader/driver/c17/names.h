/* Our functions under names that no submission has, so that none of its own can
 * meet them at the link. */
#ifndef MOULINETTE_NAMES_H
#define MOULINETTE_NAMES_H

#define become moulinette_become
#define capability_number moulinette_capability_number
#define errno_name moulinette_errno_name
#define inherit_capabilities moulinette_inherit_capabilities
#define json_begin moulinette_json_begin
#define json_close moulinette_json_close
#define json_end moulinette_json_end
#define json_free moulinette_json_free
#define json_get moulinette_json_get
#define json_number moulinette_json_number
#define json_open moulinette_json_open
#define json_put_number moulinette_json_put_number
#define json_put_text moulinette_json_put_text
#define json_put_true moulinette_json_put_true
#define json_put_unsigned moulinette_json_put_unsigned
#define json_read moulinette_json_read
#define json_text moulinette_json_text
#define json_texts moulinette_json_texts
#define json_true moulinette_json_true
#define namespace_flag moulinette_namespace_flag
#define raw_call moulinette_raw_call
#define run_as_guest moulinette_run_as_guest
#define start_bystander moulinette_start_bystander
#define start_in moulinette_start_in
#define start_target moulinette_start_target
#define syscall_count moulinette_syscall_count
#define syscall_names moulinette_syscall_names
#define wait_for moulinette_wait_for

#endif
