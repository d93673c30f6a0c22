"""The Nagios objects that a test needs besides those under test."""

PLAIN = """
define timeperiod {
    timeperiod_name  always
    alias            Always
    monday           00:00-24:00
    tuesday          00:00-24:00
    wednesday        00:00-24:00
    thursday         00:00-24:00
    friday           00:00-24:00
    saturday         00:00-24:00
    sunday           00:00-24:00
}
define command {
    command_name  nothing
    command_line  /bin/true
}
define contact {
    contact_name                   nobody
    host_notifications_enabled     0
    service_notifications_enabled  0
    host_notification_period       always
    service_notification_period    always
    host_notification_commands     nothing
    service_notification_commands  nothing
}
define service {
    name                 plain-service
    check_interval       2
    retry_interval       1
    max_check_attempts   3
    check_period         always
    notification_period  always
    contacts             nobody
    register             0
}
define host {
    host_name            lab
    address              127.0.0.1
    max_check_attempts   1
    check_period         always
    notification_period  always
    contacts             nobody
}
"""
"""A host `lab` at 127.0.0.1 that is never checked, a template `plain-service`, a command `nothing`."""
