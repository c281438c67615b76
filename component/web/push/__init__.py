"""Push subscriptions of users: {prefix}/v1/push-subscriptions."""
